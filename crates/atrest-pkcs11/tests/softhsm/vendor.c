/* SoftHSM2 as a token of another manufacturer, whose general errors mean nothing in particular, and which writes a
 * nonce of its own into the parameters of each encryption, as a token in FIPS mode does. It does more while one of
 * these files is there:
 *
 * `$SOFTHSM2_CONF.broken`: it fails to decrypt.
 * `$SOFTHSM2_CONF.final`: one more wrong PIN would lock it.
 * `$SOFTHSM2_CONF.hangs`: each decryption hangs, for a minute at most; it appends a byte to the file first. */

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long Number;
typedef Number Get(void **list);
typedef Number TokenInfo(Number slot, char *info);
typedef Number EncryptInit(Number session, void *mechanism, Number key);
typedef Number Decrypt(Number session, char *in, Number in_len, char *out, Number *out_len);

enum { GENERAL_ERROR = 5, TOKEN_INFO = 6, ENCRYPT_INIT = 29, DECRYPT = 34, AES_GCM = 0x1087 };

/* CK_FUNCTION_LIST of PKCS#11 2.40. */
struct List {
    unsigned char version[2];
    void *functions[68];
};

/* CK_MECHANISM, and the beginning of CK_GCM_PARAMS. */
struct Mechanism {
    Number type;
    struct {
        unsigned char *nonce;
        Number nonce_len;
    } *parameters;
    Number parameters_len;
};

static struct List softhsm, list;

static const char *path(const char *suffix) {
    static _Thread_local char path[4096];
    snprintf(path, sizeof path, "%s.%s", getenv("SOFTHSM2_CONF"), suffix);
    return path;
}

static int is_there(const char *suffix) {
    return access(path(suffix), F_OK) == 0;
}

static Number token_info(Number slot, char *info) {
    Number value = ((TokenInfo *)softhsm.functions[TOKEN_INFO])(slot, info);
    if (value == 0) {
        memset(info + 32, 'X', 32); /* manufacturerID */
        if (is_there("final")) {
            *(Number *)(info + 96) |= 0x20000; /* flags, CKF_USER_PIN_FINAL_TRY */
        }
    }
    return value;
}

static Number encrypt_init(Number session, void *mechanism, Number key) {
    static unsigned char count;
    struct Mechanism *given = mechanism;
    if (given->type == AES_GCM) {
        memset(given->parameters->nonce, 'N', given->parameters->nonce_len);
        given->parameters->nonce[0] = count++;
    }
    return ((EncryptInit *)softhsm.functions[ENCRYPT_INIT])(session, mechanism, key);
}

static void hang(void) {
    int noted = open(path("hangs"), O_WRONLY | O_APPEND);
    if (noted < 0 || write(noted, ".", 1) != 1) {
        return;
    }
    close(noted);
    for (int i = 0; i < 6000 && is_there("hangs"); i++) {
        usleep(10000);
    }
}

static Number decrypt(Number session, char *in, Number in_len, char *out, Number *out_len) {
    Decrypt *decrypt = (Decrypt *)softhsm.functions[DECRYPT];
    char lost[4096];
    Number lost_len = sizeof lost;
    hang();
    if (!is_there("broken")) {
        return decrypt(session, in, in_len, out, out_len);
    }
    decrypt(session, in, in_len, lost, &lost_len); /* ends the operation */
    return GENERAL_ERROR;
}

Number C_GetFunctionList(void **out) {
    void *library = dlopen(SOFTHSM, RTLD_NOW);
    void *found = NULL;
    Get *get = library == NULL ? NULL : (Get *)dlsym(library, "C_GetFunctionList");
    if (get == NULL || get(&found) != 0) {
        return GENERAL_ERROR;
    }
    softhsm = list = *(struct List *)found;
    list.functions[TOKEN_INFO] = (void *)token_info;
    list.functions[ENCRYPT_INIT] = (void *)encrypt_init;
    list.functions[DECRYPT] = (void *)decrypt;
    *out = &list;
    return 0;
}
