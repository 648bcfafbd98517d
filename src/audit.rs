//! tmp
use crate::error::*;
use crate::keys::EncryptionContext;
use crate::object::Requester;
use std::sync::Arc;
use std::time::SystemTime;
/// s
pub trait AuditSink: Send + Sync + 'static {
    /// r
    fn record(&self, event: &AuditEvent) -> std::io::Result<()>;
}
/// t
#[derive(Clone)]
pub struct AuditTrail(Arc<dyn AuditSink>);
impl AuditTrail {
    /// n
    pub fn new(sink: Arc<dyn AuditSink>) -> Self {
        Self(sink)
    }
    pub(crate) fn record(&self, event: &AuditEvent) -> Result<()> {
        self.0.record(event).map_err(|e| Error::Audit(IoError::new("audit", e)))
    }
}
/// e
#[derive(Clone, Debug)]
#[allow(dead_code)]
pub struct AuditEvent {
    time: SystemTime,
    requester: Requester,
    operation: AuditOperation,
    k: Option<String>,
    a: Option<(String, Option<u32>)>,
    c: Option<EncryptionContext>,
    e: Option<Error>,
}
impl AuditEvent {
    pub(crate) fn new(time: SystemTime, requester: Requester, operation: AuditOperation) -> Self {
        Self { time, requester, operation, k: None, a: None, c: None, e: None }
    }
    pub(crate) fn with_requested_key_id(mut self, k: &str) -> Self {
        self.k = Some(k.to_owned());
        self
    }
    pub(crate) fn with_key(mut self, k: &str, v: Option<u32>) -> Self {
        self.a = Some((k.to_owned(), v));
        self
    }
    pub(crate) fn with_context(mut self, k: &EncryptionContext) -> Self {
        self.c = Some(k.clone());
        self
    }
    pub(crate) fn with_error(mut self, k: Option<Error>) -> Self {
        self.e = k;
        self
    }
}
/// o
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum AuditOperation {
    GenerateKey,
    UnwrapKey,
    CreateKey,
    DescribeKey,
    ListKeys,
    SetDescription,
    SetTag,
    RemoveTag,
    CreateAlias,
    MoveAlias,
    DeleteAlias,
    ListAliases,
    EnableKey,
    DisableKey,
    ScheduleDeletion,
    CancelDeletion,
    DeleteKey,
    RotateKey,
    RotateKeyByAge,
    SetRotation,
    SetPolicy,
    SetQuota,
    ImportKey,
    ExportKey,
    Backup,
    AcceptClock,
}
