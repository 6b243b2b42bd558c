//! The option `proxy`: the next hops by which an app wants its calls to leave this machine.

use url::Url;

use super::error::ClientError;
use crate::transport::http_proxy::HttpProxy;
use crate::transport::next_hop::NextHop;

/// What an app has chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyChoice {
    /// The next hops in their order; `None` for those that the system names.
    pub hops: Option<Vec<NextHop>>,
    /// The entries of a list that cannot be used, for the log.
    pub passed_over: Vec<String>,
}

impl ProxyChoice {
    /// Reads `system`, `direct`, the address of a proxy, or a list in the form of a PAC file. An error shows nothing of the text
    /// that may be a password.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        match text.trim() {
            "system" => Ok(Self::default()),
            "direct" => Ok(Self { hops: Some(vec![NextHop::Direct]), passed_over: Vec::new() }),
            address if address.contains("://") => Self::of_address(address),
            list => Self::of_list(list),
        }
    }

    fn of_address(address: &str) -> Result<Self, ClientError> {
        if let Some(proxy) = HttpProxy::parse(address) {
            return Ok(Self { hops: Some(vec![NextHop::Proxy(proxy)]), passed_over: Vec::new() });
        }
        let scheme = Url::parse(address).ok().map(|url| url.scheme().to_owned());
        match scheme.filter(|scheme| scheme == "https" || scheme.starts_with("socks")) {
            Some(scheme) => Err(ClientError::Config(format!("proxy: one that begins with {scheme}:// {UNUSABLE}"))),
            None => Err(wrong()),
        }
    }

    fn of_list(list: &str) -> Result<Self, ClientError> {
        let (mut hops, mut passed_over) = (Vec::new(), Vec::new());
        for entry in list.split(';').map(str::trim).filter(|entry| !entry.is_empty()) {
            let mut words = entry.split_whitespace();
            let kind = words.next().unwrap_or_default().to_ascii_uppercase();
            match (kind.as_str(), words.next(), words.next()) {
                ("DIRECT", None, _) => hops.push(NextHop::Direct),
                ("PROXY" | "HTTP", Some(address), None) => {
                    let proxy = HttpProxy::parse(&format!("http://{address}")).ok_or_else(wrong)?;
                    hops.push(NextHop::Proxy(proxy));
                }
                ("HTTPS" | "QUIC" | "SOCKS" | "SOCKS4" | "SOCKS5", Some(address), None) => {
                    let host_and_port = address.rsplit('@').next().unwrap_or_default();
                    passed_over.push(format!("{kind} {host_and_port}"));
                }
                _ => return Err(wrong()),
            }
        }
        match (hops.is_empty(), passed_over.is_empty()) {
            (true, true) => Err(wrong()),
            (true, false) => Err(ClientError::Config(format!("proxy: {} {UNUSABLE}", passed_over.join(", ")))),
            (false, _) => Ok(Self { hops: Some(hops), passed_over }),
        }
    }

    /// A line for the log about what cannot be used.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        (!self.passed_over.is_empty()).then(|| format!("Passed over: {} {UNUSABLE}", self.passed_over.join(", ")))
    }
}

fn wrong() -> ClientError {
    ClientError::Config(
        "proxy must be 'system', 'direct', an address such as http://proxy.example:3128, or a list such as \
         'PROXY proxy.example:3128; DIRECT'"
            .into(),
    )
}

const UNUSABLE: &str = "cannot be used: only HTTP proxies without TLS to the proxy can";

#[cfg(test)]
mod tests {
    use super::*;

    fn hops(text: &str) -> Vec<String> {
        let shown = |hop: &NextHop| match hop {
            NextHop::Direct => "direct".to_owned(),
            NextHop::Proxy(proxy) => proxy.to_string(),
        };
        ProxyChoice::parse(text).unwrap().hops.unwrap().iter().map(shown).collect()
    }

    #[test]
    fn f111_a_list_of_a_pac_file_is_read_in_its_order() {
        assert_eq!(ProxyChoice::parse("system").unwrap(), ProxyChoice::default());
        assert_eq!((hops("direct"), hops("DIRECT")), (vec!["direct".to_owned()], vec!["direct".to_owned()]));
        assert_eq!(hops("http://user:canary@proxy.example:3128"), ["http://proxy.example:3128"]);
        let listed = "PROXY a.example:8080; proxy b.example ;DIRECT;";
        assert_eq!(hops(listed), ["http://a.example:8080", "http://b.example", "direct"]);
    }

    #[test]
    fn f111_entries_of_other_kinds_are_passed_over_and_told() {
        let choice = ProxyChoice::parse("HTTPS a:443; SOCKS5 u:canary@b:1080; PROXY c:8080").unwrap();
        assert_eq!(choice.passed_over, ["HTTPS a:443", "SOCKS5 b:1080"]);
        let warning = choice.warning().unwrap();
        assert!(warning.contains("HTTPS a:443, SOCKS5 b:1080") && !warning.contains("canary"), "{warning}");
        assert_eq!(ProxyChoice::parse("PROXY c:8080").unwrap().warning(), None);
    }

    #[test]
    fn f111_a_choice_without_a_usable_hop_is_refused_without_its_password() {
        for (text, named) in [
            ("", "proxy must be"),
            (";", "proxy must be"),
            ("none", "proxy must be"),
            ("proxy.example:3128", "proxy must be"),
            ("PROXY", "proxy must be"),
            ("DIRECT now", "proxy must be"),
            ("PROXY a b", "proxy must be"),
            ("ftp://u:canary@proxy.example", "proxy must be"),
            ("http://u:canary@proxy.example/proxy.pac", "proxy must be"),
            ("https://u:canary@proxy.example", "https://"),
            ("socks5h://u:canary@proxy.example", "socks5h://"),
            ("HTTPS a:443; SOCKS u:canary@b:1080", "HTTPS a:443, SOCKS b:1080"),
        ] {
            let error = ProxyChoice::parse(text).unwrap_err();
            assert_eq!(error.code(), "VALET_CONFIG");
            let told = error.to_string();
            assert!(told.contains(named) && told.starts_with("proxy") && !told.contains("canary"), "{text}: {told}");
        }
    }
}
