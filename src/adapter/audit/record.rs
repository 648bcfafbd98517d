//! `Record`, an audit event as JSON in the shape of a CloudTrail record, and [`AuditEvent::to_json`].
//!
//! The record omits members that the library does not know: the client's address, its user agent, its request's id.

use std::borrow::Cow;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use uuid::Builder;

use super::names;
use crate::crypto::Generator;
use crate::envelope::ModeId;
use crate::error::{CustomerKeyError, Error, IoError, KeyProviderErrorKind as Kind, KeyStoreError, PartError, Result};
use crate::keys::EncryptionContext;
use crate::object::ObjectName;
use crate::trail::{AuditEvent, KeyProviderAnswer};

/// The version of CloudTrail's record format.
const EVENT_VERSION: &str = "1.11";

/// The last second that RFC 3339 can represent.
const LAST_SECOND: u64 = 253_402_300_799;

/// Returns the event's line, which ends in a newline.
pub(super) fn line(event: &AuditEvent, event_id: &str) -> io::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(1_024);
    serde_json::to_writer(&mut line, &Record::of(event, event_id))?;
    line.push(b'\n');
    Ok(line)
}

impl AuditEvent {
    /// Returns the event as [`JsonLines`](super::JsonLines) writes it, without the newline, under a fresh event id; for
    /// custom sinks.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Random`] if the operating system gives no randomness for the id.
    pub fn to_json(&self) -> Result<String> {
        let mut line =
            line(self, &event_id(&Generator::default())?).map_err(|e| IoError::new("an event is no JSON", e))?;
        line.pop();
        Ok(String::from_utf8(line).expect("JSON is UTF-8"))
    }
}

/// Returns a random UUID, version 4.
pub(super) fn event_id(generator: &Generator) -> Result<String> {
    Ok(Builder::from_random_bytes(generator.bytes()?).into_uuid().hyphenated().to_string())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    event_version: &'static str,
    user_identity: UserIdentity<'a>,
    event_time: String,
    event_source: &'static str,
    event_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aws_region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    request_parameters: Option<RequestParameters<'a>>,
    response_elements: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_event_data: Option<AdditionalEventData<'a>>,
    #[serde(rename = "requestID", skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(rename = "eventID")]
    event_id: &'a str,
    read_only: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resources: Vec<Resource<'a>>,
    event_type: &'static str,
    management_event: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient_account_id: Option<&'a str>,
    event_category: &'static str,
}

impl<'a> Record<'a> {
    fn of(event: &'a AuditEvent, event_id: &'a str) -> Self {
        let operation = event.operation();
        let of_objects = operation.is_of_objects();
        let key_arn = [event.key_id(), event.requested_key_id()].into_iter().flatten().find_map(Arn::parse);
        Self {
            event_version: EVENT_VERSION,
            user_identity: UserIdentity::of(event.requester().as_str()),
            event_time: rfc3339(event.time()),
            event_source: if of_objects { "s3.amazonaws.com" } else { "kms.amazonaws.com" },
            event_name: operation.event_name(),
            aws_region: key_arn.as_ref().and_then(|arn| arn.region),
            error_code: event.error().map(error_code),
            error_message: event.error().map(ToString::to_string),
            request_parameters: RequestParameters::of(event),
            response_elements: None,
            additional_event_data: AdditionalEventData::of(event),
            request_id: event.request_id(),
            event_id,
            read_only: operation.is_read_only(),
            resources: resources(event),
            event_type: if operation.is_by_itself() { "AwsServiceEvent" } else { "AwsApiCall" },
            management_event: !of_objects,
            recipient_account_id: key_arn.as_ref().and_then(|arn| arn.account),
            event_category: if of_objects { "Data" } else { "Management" },
        }
    }
}

/// Formats a time in seconds, in UTC. A time out of range becomes the nearest one that can be written.
fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().min(LAST_SECOND));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserIdentity<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
}

impl<'a> UserIdentity<'a> {
    fn of(requester: &'a str) -> Self {
        let none = Self { r#type: "Unknown", principal_id: None, arn: None, account_id: None, user_name: None };
        // CloudTrail writes an anonymous requester like this.
        if requester == "anonymous" {
            return Self { r#type: "AWSAccount", principal_id: Some(""), account_id: Some(requester), ..none };
        }
        let Some(arn) = Arn::parse(requester) else {
            return Self { user_name: Some(requester), ..none };
        };
        let (kind, path) = arn.resource.split_once('/').unwrap_or((arn.resource, ""));
        let r#type = match (arn.service, kind) {
            ("iam", "root") => "Root",
            ("iam", "user") => "IAMUser",
            ("iam", "role") => "Role",
            ("sts", "assumed-role") => "AssumedRole",
            ("sts", "federated-user") => "FederatedUser",
            _ => "Unknown",
        };
        let user_name = path.rsplit('/').next().filter(|_| r#type == "IAMUser");
        Self { r#type, arn: Some(requester), account_id: arn.account, user_name, ..none }
    }
}

/// An ARN: `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`.
struct Arn<'a> {
    service: &'a str,
    region: Option<&'a str>,
    account: Option<&'a str>,
    resource: &'a str,
}

impl<'a> Arn<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut fields = text.strip_prefix("arn:")?.splitn(5, ':').skip(1);
        let mut next = || fields.next();
        let (service, region, account, resource) = (next()?, next()?, next()?, next()?);
        let some = |field: &'a str| Some(field).filter(|field| !field.is_empty());
        Some(Self { service, region: some(region), account: some(account), resource })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestParameters<'a> {
    #[serde(flatten)]
    object: Option<Names<'a>>,
    /// `url` if a name is not UTF-8: then all names of the record are percent-encoded.
    #[serde(rename = "encoding-type", skip_serializing_if = "Option::is_none")]
    encoding_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    copy_source: Option<Names<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "pairs")]
    encryption_context: Option<&'a EncryptionContext>,
    #[serde(flatten, serialize_with = "parameters")]
    parameters: &'a [(&'static str, String)],
}

impl<'a> RequestParameters<'a> {
    fn of(event: &'a AuditEvent) -> Option<Self> {
        let encoded = encoded(event);
        let names = |object: Option<&'a ObjectName>| object.and_then(|object| Names::of(object, encoded));
        let parameters = Self {
            object: names(event.object()),
            encoding_type: encoded.then_some("url"),
            copy_source: names(event.source_object()),
            key_id: event.requested_key_id(),
            encryption_context: event.context().filter(|context| !context.is_empty()),
            parameters: event.parameters(),
        };
        let any = parameters.object.is_some()
            || parameters.copy_source.is_some()
            || parameters.key_id.is_some()
            || parameters.encryption_context.is_some()
            || !parameters.parameters.is_empty();
        any.then_some(parameters)
    }
}

/// Returns whether the names of this record are percent-encoded: all of them or none.
fn encoded(event: &AuditEvent) -> bool {
    [event.object(), event.source_object()].into_iter().flatten().any(|object| !names::are_text(object))
}

fn pairs<S: Serializer>(context: &Option<&EncryptionContext>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(context.iter().flat_map(|context| context.iter()))
}

fn parameters<S: Serializer>(parameters: &[(&'static str, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(parameters.iter().map(|(name, value)| (name, value)))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Names<'a> {
    bucket_name: Cow<'a, str>,
    key: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    realm: Option<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    fn of(object: &'a ObjectName, encoded: bool) -> Option<Self> {
        let text = |name: &'a [u8]| Some(name).filter(|name| !name.is_empty()).map(|name| names::text(name, encoded));
        Some(Self {
            bucket_name: text(object.bucket())?,
            key: text(object.key())?,
            version_id: text(object.version_id()),
            realm: text(object.realm()),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AdditionalEventData<'a> {
    #[serde(rename = "SSEApplied", skip_serializing_if = "Option::is_none")]
    sse_applied: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_version: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    key_provider_answers: Vec<ProviderAnswer<'a>>,
}

impl<'a> AdditionalEventData<'a> {
    fn of(event: &'a AuditEvent) -> Option<Self> {
        let sse_applied = event.mode().map(|mode| match mode {
            ModeId::SseS3 => "SSE_S3",
            ModeId::SseKms => "SSE_KMS",
            ModeId::DsseKms => "DSSE_KMS",
            ModeId::SseC => "SSE_C",
        });
        let (key_id, key_version) = (event.key_id(), event.key_version());
        let key_provider_answers: Vec<_> = event.key_provider_answers().iter().map(ProviderAnswer::of).collect();
        let is_empty = sse_applied.is_none() && key_id.is_none() && key_provider_answers.is_empty();
        (!is_empty).then_some(Self { sse_applied, key_id, key_version, key_provider_answers })
    }
}

/// An answer of the key provider, with the members that CloudTrail's record of the call has.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProviderAnswer<'a> {
    event_name: &'static str,
    key_from: &'static str,
    #[serde(rename = "requestID", skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl<'a> ProviderAnswer<'a> {
    fn of(answer: &'a KeyProviderAnswer) -> Self {
        let (event_name, key_from) = names::of_answer(answer);
        Self { event_name, key_from, request_id: answer.request_id() }
    }
}

#[derive(Serialize)]
struct Resource<'a> {
    #[serde(rename = "accountId", skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
    r#type: &'static str,
    #[serde(rename = "ARN")]
    arn: Cow<'a, str>,
}

/// Returns the object, its bucket and the KMS key, if they have ARNs.
fn resources(event: &AuditEvent) -> Vec<Resource<'_>> {
    let mut resources = Vec::with_capacity(3);
    if let Some(names) = event.object().and_then(|object| Names::of(object, encoded(event))) {
        let bucket = format!("arn:aws:s3:::{}", names.bucket_name);
        let object = format!("{bucket}/{}", names.key);
        resources.push(Resource { account_id: None, r#type: "AWS::S3::Object", arn: object.into() });
        resources.push(Resource { account_id: None, r#type: "AWS::S3::Bucket", arn: bucket.into() });
    }
    if let Some((key_id, arn)) = event.key_id().and_then(|key_id| Some((key_id, Arn::parse(key_id)?))) {
        resources.push(Resource { account_id: arn.account, r#type: "AWS::KMS::Key", arn: key_id.into() });
    }
    resources
}

/// Returns the closest error code of AWS KMS or S3.
fn error_code(error: &Error) -> &'static str {
    match error {
        Error::KeyProvider(error) => match error.kind() {
            Kind::NotFound | Kind::OtherRegion => "NotFoundException",
            Kind::Disabled => "DisabledException",
            Kind::PendingDeletion | Kind::InvalidState => "KMSInvalidStateException",
            Kind::InvalidKeyUsage => "InvalidKeyUsageException",
            Kind::AccessDenied => "AccessDenied",
            Kind::Throttled => "ThrottlingException",
            Kind::Rejected => "InvalidCiphertextException",
            Kind::Unavailable => "KeyUnavailableException",
            Kind::WrongKey => "IncorrectKeyException",
            Kind::Misconfigured | Kind::Unresolved | Kind::WrongLength | Kind::Panicked => "KMSInternalException",
        },
        Error::Inauthentic | Error::Truncated | Error::Envelope(_) => "InvalidCiphertextException",
        Error::Unexpected(_) | Error::CustomerKey(CustomerKeyError::Mismatch) => "AccessDenied",
        Error::CustomerKey(CustomerKeyError::WrongLength | CustomerKeyError::AllZero) => "InvalidArgument",
        Error::CustomerKey(_) => "InvalidRequest",
        Error::Part(PartError::Order(_)) => "InvalidPartOrder",
        Error::Part(_) => "InvalidPart",
        Error::UploadNotComplete => "NoSuchKey",
        Error::LimitExceeded(_) => "LimitExceededException",
        Error::Keyring(_) => "KMSInvalidStateException",
        Error::KeyStore(error) => match error {
            KeyStoreError::NotTheOwner => "AccessDenied",
            KeyStoreError::KeyExists | KeyStoreError::AliasExists => "AlreadyExistsException",
            KeyStoreError::AliasUnknown | KeyStoreError::VersionUnknown(_) => "NotFoundException",
            KeyStoreError::AliasName => "InvalidAliasNameException",
            KeyStoreError::NotPendingDeletion => "KMSInvalidStateException",
            KeyStoreError::KeyMaterial => "InvalidCiphertextException",
            KeyStoreError::ClockWentBack(_)
            | KeyStoreError::InUse
            | KeyStoreError::Conflict
            | KeyStoreError::Panicked => "KMSInternalException",
            KeyStoreError::TooManyAliases => "LimitExceededException",
            KeyStoreError::WaitingPeriod | KeyStoreError::RotationPeriod | KeyStoreError::Invalid(_) => {
                "ValidationException"
            }
        },
        Error::NotCompiled(_) => "UnsupportedOperationException",
        Error::Misuse(_) | Error::ManifestRequired => "ValidationException",
        _ => "InternalFailure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_out_of_all_bounds_gives_the_nearest_time_that_can_be_written() {
        let second = Duration::from_secs(1);
        assert_eq!(rfc3339(UNIX_EPOCH - second), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_millis(1_999)), "1970-01-01T00:00:01Z");
        let last = Duration::from_secs(LAST_SECOND);
        assert_eq!(rfc3339(UNIX_EPOCH + last), "9999-12-31T23:59:59Z");
        assert_eq!(rfc3339(UNIX_EPOCH + last + second), "9999-12-31T23:59:59Z");
    }
}
