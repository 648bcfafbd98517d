//! [`S3Operation`]: the operations of S3 that concern encryption.

/// An operation of S3.
///
/// It determines which headers a request takes, which actions a policy is asked about, and how the XML of an error
/// begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum S3Operation {
    /// `PUT /key`.
    PutObject,
    /// `POST /` of a form, whose fields are the headers.
    PostObject,
    /// `PUT /key` with `x-amz-copy-source`.
    CopyObject,
    /// `POST /key?uploads`.
    CreateMultipartUpload,
    /// `PUT /key?partNumber&uploadId`.
    UploadPart,
    /// `PUT /key?partNumber&uploadId` with `x-amz-copy-source`.
    UploadPartCopy,
    /// `POST /key?uploadId`.
    CompleteMultipartUpload,
    /// `GET /key`.
    GetObject,
    /// `HEAD /key`.
    HeadObject,
    /// `GET /key?attributes`.
    GetObjectAttributes,
    /// `PUT /key?encryption`.
    UpdateObjectEncryption,
    /// Every other operation: it takes no encryption headers.
    Other,
}

impl S3Operation {
    /// Every operation.
    pub const ALL: [Self; 12] = [
        Self::PutObject,
        Self::PostObject,
        Self::CopyObject,
        Self::CreateMultipartUpload,
        Self::UploadPart,
        Self::UploadPartCopy,
        Self::CompleteMultipartUpload,
        Self::GetObject,
        Self::HeadObject,
        Self::GetObjectAttributes,
        Self::UpdateObjectEncryption,
        Self::Other,
    ];

    /// The actions that a policy is asked about, for an object or, with `of_version`, for one version of it. The
    /// request is refused if one of them is denied. For the source of a copy they are those of
    /// [`GetObject`](Self::GetObject).
    pub fn actions(self, of_version: bool) -> &'static [&'static str] {
        match (self, of_version) {
            (Self::GetObject | Self::HeadObject, false) => &["s3:GetObject"],
            (Self::GetObject | Self::HeadObject, true) => &["s3:GetObjectVersion"],
            (Self::GetObjectAttributes, false) => &["s3:GetObject", "s3:GetObjectAttributes"],
            (Self::GetObjectAttributes, true) => &["s3:GetObjectVersion", "s3:GetObjectVersionAttributes"],
            (Self::UpdateObjectEncryption, _) => &["s3:PutObject", "s3:UpdateObjectEncryption"],
            (Self::Other, _) => &[],
            _ => &["s3:PutObject"],
        }
    }

    /// Whether the request may name an encryption.
    pub(super) fn takes_method(self) -> bool {
        matches!(self, Self::PutObject | Self::PostObject | Self::CopyObject | Self::CreateMultipartUpload)
    }

    /// Whether the operation writes data.
    pub(super) fn writes(self) -> bool {
        self.takes_method() || self.is_of_upload()
    }

    /// Whether the operation concerns an upload under way.
    pub(super) fn is_of_upload(self) -> bool {
        matches!(self, Self::UploadPart | Self::UploadPartCopy | Self::CompleteMultipartUpload)
    }

    /// Whether the request must contain the MD5 of a customer key.
    pub(super) fn requires_md5(self) -> bool {
        !matches!(self, Self::GetObject | Self::HeadObject | Self::GetObjectAttributes)
    }

    /// Whether the XML of an error begins with the declaration: recorded.
    pub(super) fn declares_xml(self) -> bool {
        !matches!(self, Self::CopyObject | Self::UploadPartCopy | Self::CompleteMultipartUpload)
    }
}
