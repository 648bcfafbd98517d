//! [`Token`], what all threads share; and [`Connection`], the session of one thread.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use atrest::KeyProviderErrorKind as Kind;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::MechanismType;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;

use crate::failure::{Pkcs11Error, kind_of, refuses_the_pin};
use crate::name::{KeyName, resolved_id};
use crate::pin::Pin;

/// Gives the PIN of the token's user.
pub(crate) type GivesPin = Box<dyn Fn() -> io::Result<Pin> + Send + Sync>;

/// A failure below the level of a request.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The kind is known.
    Known(Kind, &'static str),
    Token(Error),
    /// The counter of wraps gave no reservation.
    Counter(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Token(error)
    }
}

impl Failure {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Known(kind, _) => *kind,
            Self::Token(error) => kind_of(error),
            Self::Counter(_) => Kind::Unavailable,
        }
    }

    pub(crate) fn cause(&self) -> Pkcs11Error {
        match self {
            Self::Known(_, what) => Pkcs11Error((*what).to_owned()),
            Self::Token(error) => Pkcs11Error(error.to_string()),
            Self::Counter(error) => Pkcs11Error(format!("no reservation of wraps, nothing was wrapped: {error}")),
        }
    }
}

/// The token of a provider. Its label, not its slot, names it: slots get other numbers when a library starts again.
pub(crate) struct Token {
    library: PathBuf,
    label: String,
    /// Decides between tokens of one label.
    pub(crate) serial: Option<String>,
    pin: GivesPin,
    /// The library, loaded once.
    loaded: Mutex<Option<Pkcs11>>,
    /// Whether the token refused the PIN. The lock is held over each login, so that a wrong PIN is tried once, not once
    /// by each thread.
    pin_refused: Mutex<bool>,
}

/// An open session of one thread, logged in.
pub(crate) struct Connection {
    pub(crate) session: Session,
    pub(crate) manufacturer: String,
    library: Pkcs11,
    token: Arc<Token>,
}

/// A key of the token.
pub(crate) struct Key {
    pub(crate) handle: ObjectHandle,
    pub(crate) resolved_id: String,
}

impl Token {
    pub(crate) fn new(library: PathBuf, label: String, pin: GivesPin) -> Self {
        Self { library, label, serial: None, pin, loaded: Mutex::new(None), pin_refused: Mutex::new(false) }
    }

    /// Makes the next login try the PIN again.
    pub(crate) fn allow_pin(&self) {
        *self.pin_refused.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    /// Opens a session and logs it in.
    pub(crate) fn connect(self: &Arc<Self>) -> Result<Connection, Failure> {
        let (library, slot) = self.find()?;
        let info = library.get_token_info(slot)?;
        if !has_aes_gcm(&library, slot)? {
            return Err(Failure::Known(Kind::Misconfigured, "the token lacks CKM_AES_GCM, which wraps the keys"));
        }
        let session = library.open_ro_session(slot)?;
        let manufacturer = info.manufacturer_id().to_owned();
        let connection = Connection { session, manufacturer, library, token: self.clone() };
        connection.log_in()?;
        Ok(connection)
    }

    /// Returns the library, initialised, and the slot of the token.
    fn find(&self) -> Result<(Pkcs11, Slot), Failure> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let library = match &*loaded {
            Some(library) => library.clone(),
            None => loaded.insert(Pkcs11::new(&self.library)?).clone(),
        };
        let slots = match library.get_slots_with_token() {
            // At first, and where another user of the library in this process has ended it.
            Err(Error::Pkcs11(RvError::CryptokiNotInitialized, _)) => {
                initialize(&library)?;
                library.get_slots_with_token()?
            }
            slots => slots?,
        };
        // A token that is pulled out meanwhile is not ours.
        let is_ours = |slot: &Slot| library.get_token_info(*slot).is_ok_and(|info| self.is_named_by(&info));
        let slots: Vec<_> = slots.into_iter().filter(is_ours).collect();
        match slots[..] {
            [slot] => Ok((library, slot)),
            [] => Err(Failure::Known(Kind::Unavailable, "no token of this name is present")),
            _ => Err(Failure::Known(
                Kind::Misconfigured,
                "several tokens have this label; name one by its serial number",
            )),
        }
    }
}

impl Token {
    fn is_named_by(&self, info: &TokenInfo) -> bool {
        info.label() == self.label && self.serial.as_ref().is_none_or(|serial| serial == info.serial_number())
    }
}

/// Returns whether the token lists AES-GCM, and lets it encrypt and decrypt.
fn has_aes_gcm(library: &Pkcs11, slot: Slot) -> Result<bool, Error> {
    if !library.get_mechanism_list(slot)?.contains(&MechanismType::AES_GCM) {
        return Ok(false);
    }
    let mechanism = library.get_mechanism_info(slot, MechanismType::AES_GCM)?;
    Ok(mechanism.encrypt() && mechanism.decrypt())
}

fn initialize(library: &Pkcs11) -> Result<(), Failure> {
    match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Another user of the library in this process was faster.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Connection {
    /// Logs the session in, unless the login of another session of this process counts for it.
    fn log_in(&self) -> Result<(), Failure> {
        let mut refused = self.token.pin_refused.lock().unwrap_or_else(PoisonError::into_inner);
        let session = self.session.get_session_info()?;
        if is_logged_in(session.session_state()) {
            return Ok(());
        }
        // SECURITY: a token locks itself after a few wrong PINs, and all its keys with it.
        if *refused {
            return Err(Failure::Known(Kind::Misconfigured, "the token refused the PIN before; it is not tried again"));
        }
        // Read at each login: another program may have used up the other tries meanwhile.
        if self.library.get_token_info(session.slot_id())?.user_pin_final_try() {
            return Err(Failure::Known(Kind::Misconfigured, "one more wrong PIN would lock the token"));
        }
        let no_pin = |_| Failure::Known(Kind::Misconfigured, "the source of the PIN gave none");
        let pin = (self.token.pin)().map_err(no_pin)?;
        match self.session.login(UserType::User, Some(&AuthPin::from(pin.0.as_str()))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(error) => {
                *refused = matches!(&error, Error::Pkcs11(value, _) if refuses_the_pin(value));
                Err(error.into())
            }
        }
    }

    /// Returns the one key of this name.
    pub(crate) fn key(&self, name: &KeyName) -> Result<Key, Failure> {
        let unknown = || Failure::Known(Kind::NotFound, "no AES key of this name is in the token");
        if name.token.as_ref().is_some_and(|token| token != self.token.label.as_bytes()) {
            return Err(unknown());
        }
        let mut template = vec![Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES)];
        template.extend(name.label.clone().map(Attribute::Label));
        template.extend(name.id.clone().map(Attribute::Id));
        let mut found = self.session.find_objects(&template)?;
        // A session that was logged out sees no private objects, and gets no error.
        if found.is_empty() && !is_logged_in(self.session.get_session_info()?.session_state()) {
            self.log_in()?;
            found = self.session.find_objects(&template)?;
        }
        let handle = match found[..] {
            [] => return Err(unknown()),
            [handle] => handle,
            _ => return Err(Failure::Known(Kind::Misconfigured, "several keys of the token have this name")),
        };
        let attributes = self.session.get_attributes(handle, &[AttributeType::Id])?;
        let id = attributes.into_iter().find_map(|attribute| match attribute {
            Attribute::Id(id) if !id.is_empty() => Some(id),
            _ => None,
        });
        let id = id.ok_or(Failure::Known(Kind::Misconfigured, "the key has no CKA_ID"))?;
        Ok(Key { handle, resolved_id: resolved_id(self.token.label.as_bytes(), &id) })
    }
}

fn is_logged_in(state: SessionState) -> bool {
    matches!(state, SessionState::RoUser | SessionState::RwUser)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("library", &self.library).field("label", &self.label).finish_non_exhaustive()
    }
}
