//! [`S3Operation`], an operation of S3 that concerns encryption.

/// An operation of S3.
///
/// The operation determines which headers a request may carry, which actions a policy is evaluated for, and how the
/// XML of an error begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum S3Operation {
    /// `PUT /key`.
    PutObject,
    /// `POST /` of a form. The form fields replace the headers.
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
    /// Any other operation. It takes no encryption headers.
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

    /// Returns the actions for which a policy is evaluated: for an object or, with `of_version`, for one version of an
    /// object. The request is refused if one action is denied. The source of a copy has the actions of
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

    /// Returns whether the request may name an encryption method.
    pub(super) fn takes_method(self) -> bool {
        matches!(self, Self::PutObject | Self::PostObject | Self::CopyObject | Self::CreateMultipartUpload)
    }

    /// Returns whether the operation writes data.
    pub(super) fn writes(self) -> bool {
        self.takes_method() || self.is_of_upload()
    }

    /// Returns whether the operation belongs to a multipart upload that was created before.
    pub(super) fn is_of_upload(self) -> bool {
        matches!(self, Self::UploadPart | Self::UploadPartCopy | Self::CompleteMultipartUpload)
    }

    /// Returns whether a request with a customer key must contain the key's MD5.
    pub(super) fn requires_md5(self) -> bool {
        !matches!(self, Self::GetObject | Self::HeadObject | Self::GetObjectAttributes)
    }

    /// Returns whether the XML of an error begins with the XML declaration, as recorded of the service.
    pub(super) fn declares_xml(self) -> bool {
        !matches!(self, Self::CopyObject | Self::UploadPartCopy | Self::CompleteMultipartUpload)
    }
}
