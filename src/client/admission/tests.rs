use http::HeaderValue;

use super::*;

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    map
}

fn rules() -> Admission {
    rules_on(4321)
}

fn rules_on(port: u16) -> Admission {
    let origins = vec![HeaderValue::from_static("app://main")];
    Admission::new(port, &Secret::new("valet-key"), Cors::new(origins))
}

#[test]
fn a35_only_the_own_address_of_the_proxy_is_accepted_as_host() {
    let rules = rules();
    for host in ["127.0.0.1:4321", "localhost:4321"] {
        assert!(rules.check_source(&map(&[("host", host)])).is_ok(), "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:4321",
        "127.0.0.1.evil.example",
        "127.0.0.1:4322",
        "127.0.0.1",
        ":4321",
        "",
        "localhost.:4321",
        "LOCALHOST:4321",
        "0.0.0.0:4321",
        "127.1:4321",
        "2130706433:4321",
        "0x7f000001:4321",
        "[::ffff:127.0.0.1]:4321",
        "user@127.0.0.1:4321",
        "127.0.0.1:4321 ",
        "127.0.0.1:04321",
    ] {
        assert!(rules.check_source(&map(&[("host", host)])).is_err(), "{host}");
    }
    assert!(rules.check_source(&map(&[])).is_err());
    assert!(rules.check_source(&map(&[("host", "127.0.0.1:4321"), ("host", "127.0.0.1:4321")])).is_err());
}

#[test]
fn a35_a_proxy_on_the_default_port_is_named_with_the_port_or_without() {
    let rules = rules_on(80);
    for host in ["127.0.0.1", "localhost", "127.0.0.1:80", "localhost:80"] {
        assert!(rules.check_source(&map(&[("host", host)])).is_ok(), "{host}");
    }
    for host in ["evil.example", "evil.example:80", "127.0.0.1:", "127.0.0.1:443", "localhost.", "", "0.0.0.0"] {
        assert!(rules.check_source(&map(&[("host", host)])).is_err(), "{host}");
    }
}

#[test]
fn a34_a36_no_web_page_is_served_unless_the_app_lists_it() {
    let rules = rules();
    for origin in ["https://evil.example", "null", "file://", "http://127.0.0.1:4321", "app://main.evil", "APP://main"]
    {
        assert!(rules.check_source(&map(&[("host", "127.0.0.1:4321"), ("origin", origin)])).is_err(), "{origin}");
    }
    for site in ["cross-site", "same-site", "same-origin", ""] {
        assert!(rules.check_source(&map(&[("host", "127.0.0.1:4321"), ("sec-fetch-site", site)])).is_err(), "{site}");
    }
    assert!(rules.check_source(&map(&[("host", "127.0.0.1:4321"), ("sec-fetch-site", "none")])).is_ok());
    let listed = [("host", "127.0.0.1:4321"), ("origin", "app://main"), ("sec-fetch-site", "cross-site")];
    assert!(rules.check_source(&map(&listed)).is_ok());
    assert!(rules.check_source(&map(&[listed[0], listed[1], ("origin", "https://evil.example")])).is_err());
}

#[test]
fn a37_only_the_launch_key_opens_in_either_header_whatever_the_other_holds() {
    let rules = rules();
    for headers in [
        vec![("authorization", "Bearer valet-key")],
        vec![("authorization", "bearer  valet-key")],
        vec![("x-api-key", "valet-key")],
        vec![("authorization", "Bearer valet-key"), ("x-api-key", "valet-key")],
        vec![("authorization", "Bearer valet-key"), ("x-api-key", "")],
        vec![("authorization", "Bearer valet-key"), ("x-api-key", "other")],
        vec![("authorization", "Bearer other"), ("x-api-key", "valet-key")],
        vec![("authorization", "Bearer "), ("x-api-key", "valet-key")],
        vec![("authorization", ""), ("x-api-key", "valet-key")],
        vec![("authorization", "Basic dXNlcjpwdw=="), ("x-api-key", "valet-key")],
    ] {
        assert!(rules.check_key(&map(&headers)).is_ok(), "{headers:?}");
    }
    for headers in [
        vec![],
        vec![("authorization", "Bearer ")],
        vec![("authorization", "Bearer valet-ke")],
        vec![("authorization", "Bearer valet-key1")],
        vec![("authorization", "Bearer VALET-KEY")],
        vec![("authorization", "Basic valet-key")],
        vec![("authorization", "valet-key")],
        vec![("x-api-key", "")],
        vec![("authorization", "Bearer other"), ("x-api-key", "")],
        vec![("authorization", "Bearer other"), ("x-api-key", "other")],
        vec![("authorization", "Bearer valet-key"), ("authorization", "Bearer valet-key")],
        vec![("x-api-key", "valet-key"), ("x-api-key", "valet-key")],
        vec![("x-api-key", ""), ("x-api-key", ""), ("authorization", "Bearer valet-key")],
        vec![("authorization", ""), ("authorization", ""), ("x-api-key", "valet-key")],
        vec![("proxy-authorization", "Bearer valet-key")],
        vec![("cookie", "valet-key")],
    ] {
        assert_eq!(rules.check_key(&map(&headers)).unwrap_err().code, ErrorCode::LaunchKeyInvalid, "{headers:?}");
    }
}

#[test]
fn launch_keys_differ_and_are_no_api_keys() {
    let (one, other) = (launch_key(), launch_key());
    assert_ne!(one.expose(), other.expose());
    assert!(one.expose().len() > 43 && !one.expose().contains("sk-ant"));
}
