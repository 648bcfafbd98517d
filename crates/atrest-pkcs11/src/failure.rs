//! [`Pkcs11Error`], the cause of an error, and the kinds of the return values of PKCS#11.

use atrest::KeyProviderErrorKind as Kind;
use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};

/// The cause of an error of [`Pkcs11Kms`](crate::Pkcs11Kms): what the token or its library returned, as text such as
/// `C_Login: PKCS11 error: ..`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Pkcs11Error(pub(crate) String);

/// Whether a new session may help after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// The session, the login or the library's state is gone: another one may work.
    Lost,
    Kept,
}

/// Returns whether a return value tells that the session is of no use any more.
pub(crate) fn session_after(error: &Error) -> Session {
    let lost = matches!(
        error,
        Error::Pkcs11(
            RvError::CryptokiNotInitialized
                | RvError::SessionClosed
                | RvError::SessionHandleInvalid
                | RvError::SlotIdInvalid
                | RvError::TokenNotPresent
                | RvError::TokenNotRecognized
                | RvError::DeviceRemoved
                | RvError::DeviceError
                | RvError::UserNotLoggedIn
                | RvError::OperationActive
                | RvError::OperationNotInitialized
                | RvError::ObjectHandleInvalid
                | RvError::KeyHandleInvalid,
            _
        )
    );
    if lost { Session::Lost } else { Session::Kept }
}

/// Returns the kind of a return value that is not about a wrapped key.
pub(crate) fn kind_of(error: &Error) -> Kind {
    let Error::Pkcs11(value, function) = error else {
        return match error {
            Error::LibraryLoading(_) | Error::NullFunctionPointer | Error::MissingSymbol(_) | Error::NotSupported => {
                Kind::Misconfigured
            }
            _ => Kind::Unavailable,
        };
    };
    match value {
        value if matches!(function, Function::Login) && refuses_the_pin(value) => Kind::Misconfigured,
        RvError::MechanismInvalid | RvError::FunctionNotSupported | RvError::SessionReadOnlyExists => {
            Kind::Misconfigured
        }
        RvError::KeyFunctionNotPermitted => Kind::Disabled,
        RvError::KeyTypeInconsistent | RvError::KeySizeRange => Kind::InvalidKeyUsage,
        RvError::KeyHandleInvalid | RvError::ObjectHandleInvalid => Kind::NotFound,
        RvError::MechanismParamInvalid | RvError::ArgumentsBad => Kind::Rejected,
        RvError::SessionCount => Kind::Throttled,
        _ => Kind::Unavailable,
    }
}

/// Returns whether a login was refused for the PIN, so that the next one with the same PIN would count against it.
pub(crate) fn refuses_the_pin(value: &RvError) -> bool {
    matches!(
        value,
        RvError::PinIncorrect
            | RvError::PinInvalid
            | RvError::PinLenRange
            | RvError::PinExpired
            | RvError::PinLocked
            | RvError::UserPinNotInitialized
            | RvError::UserTypeInvalid
    )
}

/// What a failed decryption tells about the wrapped key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blames {
    /// The wrapped key is not one of this key and this context.
    WrappedKey,
    /// Something else failed.
    Other,
    /// The return value does not tell; decrypting what was decrypted before does.
    Unknown,
}

/// Returns what a return value of a decryption tells, by [the table of the crate](crate#failures).
pub(crate) fn decryption_blames(error: &Error, manufacturer: &str) -> Blames {
    let Error::Pkcs11(value, _) = error else { return Blames::Other };
    match value {
        RvError::EncryptedDataInvalid
        | RvError::EncryptedDataLenRange
        | RvError::DataInvalid
        | RvError::DataLenRange
        | RvError::SignatureInvalid => Blames::WrappedKey,
        RvError::GeneralError if manufacturer.starts_with("SoftHSM") => Blames::WrappedKey,
        RvError::GeneralError | RvError::FunctionFailed | RvError::DeviceError => Blames::Unknown,
        _ => Blames::Other,
    }
}
