//! The routes whose requests are relayed to the upstream.

mod objects;

pub(crate) use self::objects::{BATCHES, FILES, ObjectRoute};

/// A request that is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RelayRoute {
    Messages,
    CountTokens,
    Models,
    Model,
    /// Batches and files, each of which belongs to the device that made it.
    Object(ObjectRoute),
}

impl RelayRoute {
    /// Whether it counts as a request of its device. Counting tokens and listing models is free of charge upstream, and
    /// does not.
    pub(crate) fn is_charged(self) -> bool {
        match self {
            Self::Messages => true,
            Self::Object(route) => route.is_charged(),
            Self::CountTokens | Self::Models | Self::Model => false,
        }
    }

    /// The route as logs and `/protocol` name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Messages => "POST /v1/messages",
            Self::CountTokens => "POST /v1/messages/count_tokens",
            Self::Models => "GET /v1/models",
            Self::Model => "GET /v1/models/{id}",
            Self::Object(route) => route.name(),
        }
    }

    /// Whether the body names a model.
    pub(crate) fn names_model(self) -> bool {
        matches!(self, Self::Messages | Self::CountTokens)
    }

    /// Whether the response states what it used.
    pub(crate) fn is_metered(self) -> bool {
        self == Self::Messages
    }

    /// The routes that every service offers.
    pub(crate) const ALL: [Self; 4] = [Self::Messages, Self::CountTokens, Self::Models, Self::Model];
}
