//! The arguments that narrow usage to some requests.

use clap::Args;

use crate::wire::DeviceId;

/// Which requests count; without any of these, all.
#[derive(Debug, Args)]
pub(super) struct UsageFilterArgs {
    /// From this time on: a day (UTC) such as 2026-01-31, or Unix milliseconds
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Of this device
    #[arg(long, value_name = "ID", value_parser = DeviceId::parse)]
    device: Option<DeviceId>,
    /// Of this user
    #[arg(long)]
    user: Option<String>,
    /// Of this organisation
    #[arg(long)]
    org: Option<String>,
    /// With this model: the one that answered, else the one asked for
    #[arg(long)]
    model: Option<String>,
}

impl UsageFilterArgs {
    #[must_use]
    pub(super) fn query(self) -> Vec<(&'static str, String)> {
        let device = self.device.map(|device| device.to_string());
        [
            ("from", self.from),
            ("to", self.to),
            ("device_id", device),
            ("user", self.user),
            ("org", self.org),
            ("model", self.model),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}
