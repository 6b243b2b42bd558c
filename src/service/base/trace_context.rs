//! Trace context of a request (W3C Trace Context): reads the client's headers, adds a span of the service, and tells
//! the upstream.
//!
//! Only a [`Tracer`] does this. Without a tracer, and for a request that is not traced, the client's headers go to the
//! upstream unchanged.

use std::num::{NonZeroU64, NonZeroU128};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::random::random;

/// The place of a traced request in its trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    pub trace: NonZeroU128,
    /// The client's span; `None` where the trace begins here.
    pub parent: Option<NonZeroU64>,
    pub span: NonZeroU64,
    /// The `sampled` flag and other known flags of the trace.
    pub flags: u8,
    /// The `tracestate` that the client sent.
    pub state: String,
}

impl TraceContext {
    /// A new trace. `None` in the one case in 2⁶⁴ that makes an id of zero.
    fn begin() -> Option<Self> {
        let trace = NonZeroU128::new(u128::from_ne_bytes(random()))?;
        Some(Self { trace, parent: None, span: new_span()?, flags: SAMPLED, state: String::new() })
    }

    /// A new span whose parent is the client's span.
    fn go_on(client: ClientContext) -> Option<Self> {
        let ClientContext { trace, span, flags, state } = client;
        Some(Self { trace, parent: Some(span), span: new_span()?, flags: flags & KNOWN_FLAGS, state })
    }

    /// The header that makes the upstream's span a child of this span.
    fn traceparent(&self) -> HeaderValue {
        let text = format!("00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags);
        HeaderValue::try_from(text).expect("hexadecimal digits and dashes make a header value")
    }
}

/// Decides which requests are traced.
#[derive(Debug, Clone, Copy)]
pub struct Tracer {
    sample_ratio: f64,
}

impl Tracer {
    /// The client's decision holds. Without one, this ratio of the requests is traced, from 0 to 1.
    pub fn new(sample_ratio: f64) -> Self {
        Self { sample_ratio }
    }

    /// Returns the trace context if the request is traced; then its `traceparent` names the new span instead of the
    /// client's.
    pub fn trace(self, headers: &mut HeaderMap) -> Option<Box<TraceContext>> {
        let context = match ClientContext::read(headers) {
            Some(client) if client.flags & SAMPLED == 0 => return None,
            Some(client) => TraceContext::go_on(client)?,
            None => {
                let context = TraceContext::begin().filter(|context| self.draws(context.trace))?;
                // A `tracestate` without a readable `traceparent` belongs to no trace.
                headers.remove(TRACESTATE);
                context
            }
        };
        headers.insert(TRACEPARENT, context.traceparent());
        Some(Box::new(context))
    }

    /// Draws by the end of the trace id, which is random in every trace.
    fn draws(self, trace: NonZeroU128) -> bool {
        let [.., a, b, c, d] = trace.get().to_be_bytes();
        f64::from(u32::from_be_bytes([a, b, c, d])) / 4_294_967_296.0 < self.sample_ratio
    }
}

struct ClientContext {
    trace: NonZeroU128,
    span: NonZeroU64,
    flags: u8,
    state: String,
}

impl ClientContext {
    /// `None` without exactly one readable `traceparent`: then the trace begins anew.
    fn read(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let (trace, span, flags) = parse(value.to_str().ok()?)?;
        let states: Vec<_> = headers.get_all(TRACESTATE).iter().filter_map(|state| state.to_str().ok()).collect();
        let state = states.join(",");
        Some(Self { trace, span, flags, state: if state.len() <= MOST_STATE { state } else { String::new() } })
    }
}

/// `00-<trace>-<span>-<flags>`. Later versions may add fields behind another dash.
fn parse(text: &str) -> Option<(NonZeroU128, NonZeroU64, u8)> {
    let (head, rest) = text.split_at_checked(LENGTH)?;
    let mut fields = head.split('-');
    let version = hex(fields.next()?, 2)?;
    let ends_well = rest.is_empty() || (version > 0 && rest.starts_with('-'));
    if version == NO_VERSION || !ends_well {
        return None;
    }
    let trace = NonZeroU128::new(hex(fields.next()?, 32)?)?;
    let span = NonZeroU64::new(u64::try_from(hex(fields.next()?, 16)?).ok()?)?;
    let flags = u8::try_from(hex(fields.next()?, 2)?).ok()?;
    Some((trace, span, flags))
}

fn hex(digits: &str, length: usize) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let fits = digits.len() == length && digits.bytes().all(is_digit);
    // 2 to 32 hexadecimal digits always fit into a `u128`.
    fits.then(|| u128::from_str_radix(digits, 16).unwrap_or_default())
}

fn new_span() -> Option<NonZeroU64> {
    NonZeroU64::new(u64::from_ne_bytes(random()))
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Length of a `traceparent` of version 00.
const LENGTH: usize = 55;
const NO_VERSION: u128 = 0xff;
const SAMPLED: u8 = 0b01;
/// The flags `sampled` and `random`.
const KNOWN_FLAGS: u8 = 0b11;
/// W3C requires at least this much to be passed on; a longer `tracestate` is dropped.
const MOST_STATE: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_clients_trace_goes_on_with_a_span_of_its_own() {
        let mut headers = headers(&[("traceparent", CLIENT), ("tracestate", "a=1"), ("tracestate", "b=2")]);
        let context = Tracer::new(0.0).trace(&mut headers).unwrap();
        assert_eq!(context.trace.get(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(context.parent.unwrap().get(), 0x00f0_67aa_0ba9_02b7);
        assert_ne!(Some(context.span), context.parent);
        assert_eq!(context.state, "a=1,b=2");
        let sent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{:016x}-01", context.span);
        assert_eq!(headers["traceparent"], sent);
        assert_eq!(headers.get_all("tracestate").iter().count(), 2, "the client's header goes up unchanged");
    }

    #[test]
    fn the_headers_of_an_unsampled_request_stay_unchanged() {
        let client = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        let mut headers = headers(&[("traceparent", client), ("tracestate", "a=1")]);
        assert_eq!(Tracer::new(1.0).trace(&mut headers), None);
        assert_eq!(headers["traceparent"], client);
        assert_eq!(headers["tracestate"], "a=1");
    }

    #[test]
    fn without_a_readable_parent_a_trace_begins_here() {
        for parents in [
            &[("traceparent", CLIENT), ("traceparent", CLIENT)][..],
            &[],
            &[("traceparent", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01")],
            &[("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01")],
            &[("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01")],
            &[("traceparent", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")],
            &[("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more")],
            &[("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7")],
            &[("traceparent", "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")],
        ] {
            let mut headers = headers(&[parents, &[("tracestate", "a=1")]].concat());
            let context = Tracer::new(1.0).trace(&mut headers).unwrap();
            assert_eq!((context.parent, context.state.as_str()), (None, ""), "{parents:?}");
            assert_eq!(parse(headers["traceparent"].to_str().unwrap()), Some((context.trace, context.span, 1)));
            assert_eq!(headers.get_all("traceparent").iter().count(), 1, "{parents:?}");
            assert!(!headers.contains_key("tracestate"), "{parents:?}");
        }
    }

    #[test]
    fn a_later_traceparent_version_is_read_up_to_its_known_fields() {
        let text = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-what-the-future-brings";
        let mut headers = headers(&[("traceparent", text)]);
        let context = Tracer::new(0.0).trace(&mut headers).unwrap();
        assert_eq!(context.flags, 0b11);
        assert!(headers["traceparent"].to_str().unwrap().starts_with("00-4bf92f35"));
    }

    #[test]
    fn the_sample_ratio_holds_and_an_undrawn_request_keeps_its_headers() {
        let traced = |sample_ratio| {
            (0..1000).filter(|_| Tracer::new(sample_ratio).trace(&mut HeaderMap::new()).is_some()).count()
        };
        assert_eq!((traced(0.0), traced(1.0)), (0, 1000));
        assert!((150..350).contains(&traced(0.25)));
        let mut headers = headers(&[("tracestate", "a=1")]);
        assert_eq!(Tracer::new(0.0).trace(&mut headers), None);
        assert_eq!(headers["tracestate"], "a=1");
    }
}
