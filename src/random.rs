//! Random bytes of the system.

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("AWS-LC aborts if the system has none, because nothing would be safe");
    bytes
}
