//! `EachLayer`: one value for each layer of an object.

use super::Layers;

/// A value of the outer layer, and in DSSE-KMS a value of the inner layer; other modes have only the outer layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EachLayer<T> {
    pub(crate) outer: T,
    pub(crate) inner: Option<T>,
}

impl<T> EachLayer<T> {
    /// Creates the value of a single layer.
    pub(crate) fn one(outer: T) -> Self {
        Self { outer, inner: None }
    }

    pub(crate) fn layers(&self) -> Layers {
        if self.inner.is_some() { Layers::Two } else { Layers::One }
    }

    /// Returns the value of the layer next to the plaintext.
    pub(crate) fn innermost(&self) -> &T {
        self.inner.as_ref().unwrap_or(&self.outer)
    }

    pub(crate) fn as_ref(&self) -> EachLayer<&T> {
        EachLayer { outer: &self.outer, inner: self.inner.as_ref() }
    }

    pub(crate) fn map<U>(self, mut each: impl FnMut(T) -> U) -> EachLayer<U> {
        EachLayer { outer: each(self.outer), inner: self.inner.map(each) }
    }

    pub(crate) fn try_map<U, E>(self, mut each: impl FnMut(T) -> Result<U, E>) -> Result<EachLayer<U>, E> {
        Ok(EachLayer { outer: each(self.outer)?, inner: self.inner.map(each).transpose()? })
    }

    /// Pairs the values with those of `other`, which has the same layers.
    pub(crate) fn zip<U>(self, other: EachLayer<U>) -> EachLayer<(T, U)> {
        EachLayer { outer: (self.outer, other.outer), inner: self.inner.zip(other.inner) }
    }

    /// Iterates over the values from the outer layer inward.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        [Some(&self.outer), self.inner.as_ref()].into_iter().flatten()
    }
}
