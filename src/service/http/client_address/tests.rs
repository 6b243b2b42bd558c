use http::HeaderValue;

use super::*;

fn proxies(networks: &[&str]) -> TrustedProxies {
    TrustedProxies::new(networks.iter().map(|network| network.parse().unwrap()).collect())
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn client(proxies: &TrustedProxies, peer: &str, lines: &[(&'static str, &'static str)]) -> String {
    proxies.client(peer.parse().unwrap(), &headers(lines)).to_string()
}

const XFF: &str = "x-forwarded-for";

#[test]
fn a29_the_headers_of_an_untrusted_peer_are_ignored() {
    let lies = [(XFF, "10.0.0.1"), ("forwarded", "for=10.0.0.1"), ("x-real-ip", "10.0.0.1")];
    for proxies in [proxies(&[]), proxies(&["10.0.0.0/8"])] {
        assert_eq!(client(&proxies, "192.0.2.1:5000", &lies), "192.0.2.1:5000");
        assert_eq!(client(&proxies, "[2001:db8::1]:5000", &lies), "[2001:db8::1]:5000");
    }
}

#[test]
fn a29_the_rightmost_untrusted_address_is_the_client() {
    let proxies = proxies(&["10.0.0.0/8", "2001:db8:1::/48"]);
    for (list, expected) in [
        ("192.0.2.1", "192.0.2.1"),
        ("198.51.100.1, 192.0.2.1", "192.0.2.1"),
        ("198.51.100.1, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("198.51.100.1,192.0.2.1 , 2001:db8:1::2,10.0.0.2", "192.0.2.1"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        (", 192.0.2.1,, ", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, ::ffff:10.0.0.2", "192.0.2.1"),
    ] {
        assert_eq!(client(&proxies, "10.0.0.1:5000", &[(XFF, list)]), expected, "{list}");
    }
    assert_eq!(client(&proxies, "[::ffff:10.0.0.1]:5000", &[(XFF, "192.0.2.1")]), "192.0.2.1");
    assert_eq!(client(&proxies, "10.0.0.1:5000", &[]), "10.0.0.1:5000", "a proxy that asks for itself");
}

#[test]
fn a29_several_header_lines_are_one_list_in_their_order() {
    let proxies = proxies(&["10.0.0.0/8"]);
    let lines = [(XFF, "203.0.113.9"), (XFF, "198.51.100.1, 192.0.2.1"), (XFF, "10.0.0.2")];
    assert_eq!(client(&proxies, "10.0.0.1:5000", &lines), "192.0.2.1");
}

#[test]
fn a29_an_unreadable_entry_ends_the_search_at_the_last_good_hop() {
    let proxies = proxies(&["10.0.0.0/8"]);
    for list in ["192.0.2.1, nonsense, 10.0.0.2", "192.0.2.1, unknown, 10.0.0.2", "192.0.2.1, 1.2.3, 10.0.0.2"] {
        assert_eq!(client(&proxies, "10.0.0.1:5000", &[(XFF, list)]), "10.0.0.2", "{list}");
    }
    assert_eq!(client(&proxies, "10.0.0.1:5000", &[(XFF, "-")]), "10.0.0.1:5000");
    let mut headers = HeaderMap::new();
    headers.append(XFF, HeaderValue::from_bytes(b"\xff, 192.0.2.1").unwrap());
    let found = proxies.client("10.0.0.1:5000".parse().unwrap(), &headers);
    assert_eq!(found.ip.to_string(), "192.0.2.1", "entries further left are not read");
}

#[test]
fn a29_an_endless_list_of_proxies_is_not_followed_to_its_end() {
    let list = format!("192.0.2.1, {}", vec!["10.0.0.2"; 5000].join(", "));
    let mut headers = HeaderMap::new();
    headers.append(XFF, list.parse().unwrap());
    let found = proxies(&["10.0.0.0/8"]).client("10.0.0.1:5000".parse().unwrap(), &headers);
    assert_eq!(found.ip.to_string(), "10.0.0.2");
}

#[test]
fn a29_forwarded_is_read_where_there_is_no_x_forwarded_for() {
    let proxies = proxies(&["10.0.0.0/8"]);
    for (list, expected) in [
        ("for=192.0.2.1;proto=https;by=203.0.113.43", "192.0.2.1"),
        ("for=198.51.100.1, FOR=\"192.0.2.1:4711\" , for=10.0.0.2", "192.0.2.1"),
        ("for=198.51.100.1, proto=https; for=\"[2001:db8::1]:4711\"", "2001:db8::1"),
        ("for=192.0.2.1, for=_hidden", "10.0.0.1:5000"),
        ("for=192.0.2.1, for=unknown, for=10.0.0.2", "10.0.0.2"),
        ("for=192.0.2.1, by=10.0.0.9", "10.0.0.1:5000"),
        ("for=192.0.2.1;for=192.0.2.2", "10.0.0.1:5000"),
        ("for=\"198.51.100.1, for=192.0.2.1", "192.0.2.1"),
    ] {
        assert_eq!(client(&proxies, "10.0.0.1:5000", &[("forwarded", list)]), expected, "{list}");
    }
    let both = [("forwarded", "for=198.51.100.1"), (XFF, "192.0.2.1")];
    assert_eq!(client(&proxies, "10.0.0.1:5000", &both), "192.0.2.1");
}

#[test]
fn a_trusted_network_may_be_an_ipv4_network_mapped_into_ipv6() {
    let proxies = proxies(&["::ffff:10.0.0.0/104"]);
    assert_eq!(client(&proxies, "10.0.0.1:5000", &[(XFF, "192.0.2.1")]), "192.0.2.1");
}
