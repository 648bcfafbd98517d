/* SoftHSM2 as a token of another manufacturer, whose general errors mean nothing in particular. While the file
 * `$SOFTHSM2_CONF.broken` is there, the token fails to decrypt. */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long Number;
typedef Number Get(void **list);
typedef Number TokenInfo(Number slot, char *info);
typedef Number Decrypt(Number session, char *in, Number in_len, char *out, Number *out_len);

enum { GENERAL_ERROR = 5, TOKEN_INFO = 6, DECRYPT = 34 };

/* CK_FUNCTION_LIST of PKCS#11 2.40. */
struct List {
    unsigned char version[2];
    void *functions[68];
};

static struct List softhsm, list;

static Number token_info(Number slot, char *info) {
    Number value = ((TokenInfo *)softhsm.functions[TOKEN_INFO])(slot, info);
    if (value == 0) {
        memset(info + 32, 'X', 32); /* manufacturerID */
    }
    return value;
}

static Number decrypt(Number session, char *in, Number in_len, char *out, Number *out_len) {
    Decrypt *decrypt = (Decrypt *)softhsm.functions[DECRYPT];
    char broken[4096], lost[4096];
    Number lost_len = sizeof lost;
    snprintf(broken, sizeof broken, "%s.broken", getenv("SOFTHSM2_CONF"));
    if (access(broken, F_OK) != 0) {
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
    list.functions[DECRYPT] = (void *)decrypt;
    *out = &list;
    return 0;
}
