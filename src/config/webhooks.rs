//! Settings of webhooks.

use super::keys::{Form, Setting};

/// Webhooks.
#[derive(Debug, Clone, Copy)]
pub struct WebhookConfig {
    /// Whether targets may be at addresses that only this machine or its network reaches.
    pub allow_private: bool,
    /// How long a delivery may take, in seconds.
    pub timeout_s: u64,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self { allow_private: false, timeout_s: 10 }
    }
}

pub(super) const ALLOW_PRIVATE: Setting = Setting {
    key: "webhooks.allow_private",
    doc: "Whether webhooks may go to private, loopback and link-local addresses; whoever adds a target can then reach what \
          only this machine or its network should.",
    secret: false,
    form: Form::Switch {
        set: |config, on| config.webhooks.allow_private = on,
        get: |config| config.webhooks.allow_private,
    },
};

pub(super) const TIMEOUT: Setting = Setting {
    key: "webhooks.timeout_s",
    doc: "How long a webhook's target may take to answer, in seconds.",
    secret: false,
    form: Form::Whole {
        min: 1,
        max: 60,
        set: |config, value| config.webhooks.timeout_s = value,
        get: |config| config.webhooks.timeout_s,
    },
};
