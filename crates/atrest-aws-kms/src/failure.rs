//! [`AwsKmsError`], what is kept of a failure of AWS KMS, and the kind of each failure.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use atrest::{KeyProviderError, KeyProviderErrorKind as Kind};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::RequestId;

/// The longest message that is kept, in characters.
const MAX_MESSAGE: usize = 1_024;

/// The cause of an error of [`AwsKms`](crate::AwsKms): what AWS KMS or the SDK said, without anything that could be a
/// key.
///
/// ```
/// # use atrest::KeyProviderError;
/// use atrest_aws_kms::AwsKmsError;
/// fn code(error: &KeyProviderError) -> Option<&str> {
///     error.cause()?.downcast_ref::<AwsKmsError>()?.code()
/// }
/// ```
///
/// # Security
///
/// The SDK's own errors are dropped: their `Debug` shows the body of a response that could not be read, and that body
/// can be a plaintext key. A message is kept only from an answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsKmsError {
    what: &'static str,
    code: Option<String>,
    message: Option<String>,
    status: Option<u16>,
}

impl AwsKmsError {
    /// Returns the code of the exception, such as `KMSInvalidStateException`, if AWS KMS answered with one.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Returns the message of the exception, at most 1,024 characters.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Returns the HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    fn of_sdk(what: &'static str) -> Self {
        Self { what, code: None, message: None, status: None }
    }
}

impl fmt::Display for AwsKmsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.as_deref().unwrap_or(self.what))?;
        if let Some(status) = self.status {
            write!(f, " (HTTP {status})")?;
        }
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl StdError for AwsKmsError {}

/// The call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Generate,
    Decrypt,
}

/// Returns the error for a call that had no answer within the time limit.
pub(crate) fn out_of_time(key_id: &str) -> KeyProviderError {
    let cause = AwsKmsError::of_sdk("no answer within the time limit");
    KeyProviderError::new(Kind::Unavailable, key_id).with_source(cause)
}

/// Returns the error for a failure of the SDK, which holds nothing of the SDK's error but its code, message and ids.
pub(crate) fn failure<E>(call: Call, key_id: &str, error: &SdkError<E>) -> KeyProviderError
where
    E: ProvideErrorMetadata,
{
    let new = |kind, what| KeyProviderError::new(kind, key_id).with_source(AwsKmsError::of_sdk(what));
    let failed = match error {
        SdkError::ConstructionFailure(_) => new(Kind::Misconfigured, "the SDK could not build the request"),
        SdkError::TimeoutError(_) => new(Kind::Unavailable, "no answer within the SDK's time limit"),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(error) => of_connector(error, new),
            None => new(Kind::Unavailable, "the SDK could not send the request"),
        },
        SdkError::ServiceError(error) if error.raw().status().is_success() => {
            new(Kind::Unavailable, "an answer that cannot be read")
        }
        SdkError::ServiceError(error) => of_service(call, key_id, error.err().meta(), error.raw()),
        // Such as an answer that ends too early.
        _ => new(Kind::Unavailable, "an answer that cannot be read"),
    };
    let failed = match error.request_id() {
        Some(request_id) => failed.with_request_id(request_id),
        None => failed,
    };
    match error.raw_response().and_then(retry_after) {
        Some(wait) => failed.with_retry_after(wait),
        None => failed,
    }
}

fn of_connector(error: &ConnectorError, new: impl Fn(Kind, &'static str) -> KeyProviderError) -> KeyProviderError {
    if error.is_user() {
        return new(Kind::Misconfigured, "the SDK could not build the request");
    }
    if error.is_io() || error.is_timeout() || error.as_other().is_some() {
        return new(Kind::Unavailable, "the SDK could not reach AWS KMS");
    }
    match is_misconfigured(error) {
        Some(true) => new(Kind::Misconfigured, "the SDK has no credentials, region or endpoint that work"),
        Some(false) => new(Kind::Unavailable, "the source of the credentials did not answer in time"),
        None => new(Kind::Unavailable, "the SDK could not send the request"),
    }
}

/// Returns whether a source of this error is a configuration that cannot work; `None` if the sources do not tell.
fn is_misconfigured(error: &ConnectorError) -> Option<bool> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<CredentialsError>() {
            return Some(!matches!(error, CredentialsError::ProviderTimedOut(_)));
        }
        // The SDK has no public types for these.
        let text = error.to_string();
        if ["auth scheme", "Invalid Configuration", "resolve endpoint"].iter().any(|said| text.contains(said)) {
            return Some(true);
        }
        source = error.source();
    }
    None
}

fn of_service(
    call: Call,
    key_id: &str,
    meta: &aws_sdk_kms::error::ErrorMetadata,
    response: &HttpResponse,
) -> KeyProviderError {
    let status = response.status().as_u16();
    let code = meta.code().filter(|code| !code.is_empty());
    let message = meta.message().map(|message| message.chars().take(MAX_MESSAGE).collect::<String>());
    let (kind, transient) = kind_of(call, code, message.as_deref().unwrap_or_default(), status);
    let cause =
        AwsKmsError { what: "an error without a code", code: code.map(str::to_owned), message, status: Some(status) };
    let failed = KeyProviderError::new(kind, key_id).with_source(cause);
    match transient {
        Some(transient) => failed.with_transience(transient),
        None => failed,
    }
}

/// Returns the kind of an exception, and whether it passes if the kind does not say.
///
/// Spec: AWS KMS API Reference, "GenerateDataKey", "Decrypt", "Common Error Types".
fn kind_of(call: Call, code: Option<&str>, message: &str, status: u16) -> (Kind, Option<bool>) {
    let kind = match code.unwrap_or_default() {
        "NotFoundException" => Kind::NotFound,
        "DisabledException" => Kind::Disabled,
        "KMSInvalidStateException" => return state_of(message),
        "InvalidKeyUsageException" => Kind::InvalidKeyUsage,
        // KMS answers HTTP 400; only the code tells.
        "AccessDeniedException" | "AccessDenied" => Kind::AccessDenied,
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "LimitExceededException" => Kind::Throttled,
        "KMSInternalException"
        | "InternalFailure"
        | "InternalError"
        | "InternalServiceError"
        | "InternalServerError"
        | "InternalServerException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "DependencyTimeoutException"
        | "KeyUnavailableException"
        | "RequestTimeout"
        | "RequestTimeoutException" => Kind::Unavailable,
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "TokenRefreshRequired"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "NotAuthorized"
        | "OptInRequired"
        | "RequestExpired"
        | "InvalidGrantTokenException"
        | "UnknownOperationException" => Kind::Misconfigured,
        "InvalidArnException" | "InvalidAliasNameException" if call == Call::Generate => Kind::NotFound,
        // The client chose the key id of a write, so that a malformed one is its own.
        "ValidationException" if call == Call::Generate && message.to_lowercase().contains("keyid") => Kind::NotFound,
        // The service's own tokens.
        "ValidationException" if message.to_lowercase().contains("granttokens") => Kind::Misconfigured,
        "InvalidCiphertextException" | "IncorrectKeyException" | "ValidationException" | "InvalidArnException" => {
            Kind::Rejected
        }
        _ => match status {
            429 => Kind::Throttled,
            401 | 403 | 407 => Kind::Misconfigured,
            408 | 500.. => Kind::Unavailable,
            _ => Kind::Rejected,
        },
    };
    (kind, None)
}

/// Returns the kind of `KMSInvalidStateException`, whose message alone tells the state.
fn state_of(message: &str) -> (Kind, Option<bool>) {
    let message = message.to_lowercase();
    let says = |states: &[&str]| states.iter().any(|state| message.contains(state));
    if says(&["pending deletion", "pendingdeletion"]) {
        (Kind::PendingDeletion, None)
    } else {
        let passes = says(&["creating", "updating", "unavailable", "not available", "not connected", "key store"]);
        (Kind::InvalidState, Some(passes))
    }
}

/// Returns the time to wait that the answer names: in seconds, or in milliseconds.
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let header = |name| response.headers().get(name)?.trim().parse().ok();
    header("x-amz-retry-after").map(Duration::from_millis).or_else(|| header("retry-after").map(Duration::from_secs))
}
