//! [`RequestFacts`], the host's facts about a request, and [`ConditionValues`], all values against which a policy's
//! conditions are evaluated.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use jiff::Timestamp;

use super::key::ConditionKey;

/// The host's facts about a request and its requester, for a policy's conditions and principals. The type owns its
/// values.
///
/// Each value has its own setter. A value that is not set is absent, as in IAM: negated and `IfExists` operators match
/// an absent value, other comparing operators do not.
///
/// # Examples
///
/// ```
/// use atrest::s3::RequestFacts;
///
/// let facts = RequestFacts::new()
///     .with_source_ip("203.0.113.7".parse()?)
///     .with_tls_version(1, 3)
///     .with_principal_org_id("o-a1b2c3d4e5")
///     .with_request_tag("team", "photos");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
///
/// # Security
///
/// Values that a client can choose, such as `Referer` and `User-Agent`, prove nothing. The address must be the
/// client's: behind a proxy, the address that a trusted proxy reports.
///
/// Spec: AWS IAM User Guide, "AWS global condition context keys".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFacts {
    values: BTreeMap<ConditionKey, String>,
    called_via: Vec<String>,
    tag_keys: Vec<String>,
    pub(super) service_principal: Option<String>,
    pub(super) federated_provider: Option<String>,
    pub(super) canonical_user: Option<String>,
}

macro_rules! texts {
    ($($(#[$doc:meta])* $setter:ident $key:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $setter(self, value: impl Into<String>) -> Self {
            self.with(ConditionKey::$key, value.into())
        }
    )*};
}

impl RequestFacts {
    /// Creates facts without values.
    pub fn new() -> Self {
        Self::default()
    }

    texts! {
        /// Sets `aws:SourceVpc`: the VPC that the request came from.
        with_source_vpc SourceVpc;
        /// Sets `aws:SourceVpce`: the VPC endpoint that the request came through.
        with_source_vpce SourceVpce;
        /// Sets `aws:PrincipalOrgID`: the organisation of the requester's account.
        with_principal_org_id PrincipalOrgId;
        /// Sets `aws:PrincipalArn`: the ARN of the user or role. For a session, the ARN of its role with the path.
        with_principal_arn PrincipalArn;
        /// Sets `aws:PrincipalAccount`: the requester's account id.
        with_principal_account PrincipalAccount;
        /// Sets `aws:PrincipalType`: `Account`, `User`, `FederatedUser`, `AssumedRole` or `Anonymous`.
        with_principal_type PrincipalType;
        /// Sets `aws:ResourceAccount`: the id of the account that owns the bucket.
        with_resource_account ResourceAccount;
        /// Sets `aws:userid`: the requester's unique id.
        with_user_id UserId;
        /// Sets `aws:username`: the requester's user name. Only IAM users have one.
        with_user_name UserName;
        /// Sets `aws:UserAgent`: the header's unchanged value.
        with_user_agent UserAgent;
        /// Sets `aws:Referer`: the header's unchanged value.
        with_referer Referer;
        /// Sets `aws:SourceArn`: the resource for which a service makes the request.
        with_source_arn SourceArn;
        /// Sets `aws:SourceAccount`: the account for which a service makes the request.
        with_source_account SourceAccount;
    }

    /// Sets `aws:SourceIp`: the requester's address. An IPv4 address that is mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn with_source_ip(self, address: IpAddr) -> Self {
        self.with(ConditionKey::SourceIp, address.to_canonical().to_string())
    }

    /// Sets `aws:VpcSourceIp`: the requester's address within its VPC.
    #[must_use]
    pub fn with_vpc_source_ip(self, address: IpAddr) -> Self {
        self.with(ConditionKey::VpcSourceIp, address.to_canonical().to_string())
    }

    /// Sets `s3:TlsVersion`: for example 1 and 2 for TLS 1.2.
    #[must_use]
    pub fn with_tls_version(self, major: u8, minor: u8) -> Self {
        self.with(ConditionKey::TlsVersion, format!("{major}.{minor}"))
    }

    /// Sets `aws:CurrentTime` and `aws:EpochTime`: the time of the request. A time after the year 9999 counts as the
    /// end of that year.
    #[must_use]
    pub fn with_time(self, time: SystemTime) -> Self {
        let bound = if time < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
        let time = Timestamp::try_from(time).unwrap_or(bound);
        self.with(ConditionKey::CurrentTime, time.to_string())
            .with(ConditionKey::EpochTime, time.as_second().to_string())
    }

    /// Sets `aws:ViaAWSService`: whether a service made the request on the requester's behalf.
    #[must_use]
    pub fn with_via_aws_service(self, via: bool) -> Self {
        self.with(ConditionKey::ViaAwsService, boolean(via).to_owned())
    }

    /// Sets `aws:CalledVia`, `aws:CalledViaFirst` and `aws:CalledViaLast`: the services that made the request on the
    /// requester's behalf, in order.
    #[must_use]
    pub fn with_called_via(self, services: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { called_via: services.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets `aws:PrincipalTag/NAME`: a tag of the requester. Of names that differ only in case, the last value counts.
    #[must_use]
    pub fn with_principal_tag(self, name: &str, value: impl Into<String>) -> Self {
        self.with(ConditionKey::PrincipalTag(name.to_ascii_lowercase().into()), value.into())
    }

    /// Sets `aws:ResourceTag/NAME`: a tag of the requested bucket or object. Of names that differ only in case, the
    /// last value counts.
    #[must_use]
    pub fn with_resource_tag(self, name: &str, value: impl Into<String>) -> Self {
        self.with(ConditionKey::ResourceTag(name.to_ascii_lowercase().into()), value.into())
    }

    /// Sets `aws:RequestTag/NAME` and adds the name to `aws:TagKeys`: a tag in the request. Of names that differ only
    /// in case, the last value counts.
    #[must_use]
    pub fn with_request_tag(mut self, name: &str, value: impl Into<String>) -> Self {
        self.tag_keys.push(name.to_owned());
        self.with(ConditionKey::RequestTag(name.to_ascii_lowercase().into()), value.into())
    }

    /// Adds a name only to `aws:TagKeys`: a tag that the request names without a value, such as a tag to remove.
    #[must_use]
    pub fn with_tag_key(mut self, name: impl Into<String>) -> Self {
        self.tag_keys.push(name.into());
        self
    }

    /// Sets the `Service` principal: the service that makes the request for itself, such as `logging.s3.amazonaws.com`.
    #[must_use]
    pub fn with_service_principal(self, service: impl Into<String>) -> Self {
        Self { service_principal: Some(service.into()), ..self }
    }

    /// Sets the `Federated` principal: the identity provider with which the requester signed in.
    #[must_use]
    pub fn with_federated_provider(self, provider: impl Into<String>) -> Self {
        Self { federated_provider: Some(provider.into()), ..self }
    }

    /// Sets the `CanonicalUser` principal: the canonical id of the requester's account, 64 hex digits in lower case.
    #[must_use]
    pub fn with_canonical_user(self, id: impl Into<String>) -> Self {
        Self { canonical_user: Some(id.into()), ..self }
    }

    fn with(mut self, key: ConditionKey, value: String) -> Self {
        self.values.insert(key, value);
        self
    }

    fn value(&self, key: &ConditionKey) -> Option<&str> {
        match key {
            ConditionKey::CalledViaFirst => self.called_via.first().map(String::as_str),
            ConditionKey::CalledViaLast => self.called_via.last().map(String::as_str),
            key => self.values.get(key).map(String::as_str),
        }
    }

    fn values(&self, key: &ConditionKey) -> &[String] {
        match key {
            ConditionKey::TagKeys => &self.tag_keys,
            ConditionKey::CalledVia => &self.called_via,
            _ => &[],
        }
    }
}

/// The values against which a policy's conditions are evaluated: the request's encryption headers and transport, and
/// the host's [`RequestFacts`].
///
/// The values do not include a default that is applied later.
#[derive(Clone, Copy, Debug)]
pub struct ConditionValues<'a> {
    server_side_encryption: Option<&'a str>,
    kms_key_id: Option<&'a str>,
    customer_algorithm: Option<&'a str>,
    secure_transport: bool,
    facts: Option<&'a RequestFacts>,
}

impl<'a> ConditionValues<'a> {
    /// Creates the values of a request without encryption headers. `secure_transport` (`aws:SecureTransport`) says
    /// whether the request came over TLS.
    pub fn new(secure_transport: bool) -> Self {
        Self { server_side_encryption: None, kms_key_id: None, customer_algorithm: None, secure_transport, facts: None }
    }

    /// Sets `s3:x-amz-server-side-encryption`; `None` if the header is absent. An absent header is not an empty one.
    #[must_use]
    pub fn with_server_side_encryption(self, value: Option<&'a str>) -> Self {
        Self { server_side_encryption: value, ..self }
    }

    /// Sets `s3:x-amz-server-side-encryption-aws-kms-key-id`; `None` if the header is absent.
    #[must_use]
    pub fn with_kms_key_id(self, value: Option<&'a str>) -> Self {
        Self { kms_key_id: value, ..self }
    }

    /// Sets `s3:x-amz-server-side-encryption-customer-algorithm`; `None` if the header is absent.
    #[must_use]
    pub fn with_customer_algorithm(self, value: Option<&'a str>) -> Self {
        Self { customer_algorithm: value, ..self }
    }

    /// Adds the host's facts about the request.
    #[must_use]
    pub fn with_facts(self, facts: &'a RequestFacts) -> Self {
        Self { facts: Some(facts), ..self }
    }

    /// Returns the value of a key with at most one value, or `None` if the request has no value.
    pub fn value(&self, key: &ConditionKey) -> Option<&'a str> {
        match key {
            ConditionKey::ServerSideEncryption => self.server_side_encryption,
            ConditionKey::KmsKeyId => self.kms_key_id,
            ConditionKey::CustomerAlgorithm => self.customer_algorithm,
            ConditionKey::SecureTransport => Some(boolean(self.secure_transport)),
            key => self.facts?.value(key),
        }
    }

    /// Returns the values of a key that may have several values: `aws:TagKeys` or `aws:CalledVia`.
    pub fn values(&self, key: &ConditionKey) -> &'a [String] {
        self.facts.map_or(&[], |facts| facts.values(key))
    }

    /// Returns every key of the request with its value, for a host's own policy engine. A key with several values comes
    /// once with each value.
    pub fn iter(&self) -> impl Iterator<Item = (&'a ConditionKey, &'a str)> + use<'a> {
        let this = *self;
        let of_facts = this.facts.into_iter().flat_map(|facts| facts.values.iter());
        let tags = of_facts.filter(|(key, _)| !ConditionKey::PLAIN.contains(key));
        let tags = tags.map(|(key, value)| (key, value.as_str()));
        let plain = ConditionKey::PLAIN.iter().flat_map(move |key| {
            let several = this.values(key).iter().map(String::as_str);
            this.value(key).into_iter().chain(several).map(move |value| (key, value))
        });
        plain.chain(tags)
    }

    pub(super) fn host_facts(&self) -> Option<&'a RequestFacts> {
        self.facts
    }
}

fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
