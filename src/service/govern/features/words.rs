//! A policy as settings and the command line write it, word by word: `server_tools=web_fetch+web_search`,
//! `fast_mode=off`, `max_tokens=8192`. `none` is an empty list.

use super::policy::FeaturePolicy;
use crate::service::token::model_pattern::{PatternError, check_pattern};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FeatureWordError {
    #[error("is not a feature and what is allowed of it, such as fast_mode=off")]
    Shape,
    #[error("names no feature; there are {}", NAMES.join(", "))]
    Unknown,
    #[error("is a feature that an earlier word names")]
    Repeated,
    #[error("is neither on nor off")]
    Switch,
    #[error("is not a whole number")]
    Number,
    #[error("has an empty entry; an empty list is none, no limit is *")]
    Empty,
    #[error("has a * that is not at the end of an entry; write a beginning such as web_*")]
    Star,
    #[error("has white space in an entry")]
    Space,
    #[error("has an entry that is no service tier; there are auto and standard_only")]
    Tier,
    #[error("is longer than {} characters; use beginnings such as web_*", LONGEST)]
    Long,
}

impl FeaturePolicy {
    /// Adds a feature as settings write it.
    pub(crate) fn add(&mut self, word: &str) -> Result<(), FeatureWordError> {
        let (name, text) = word.split_once('=').ok_or(FeatureWordError::Shape)?;
        let text = text.trim();
        match name.trim() {
            SERVER_TOOLS => put(&mut self.server_tools, list(text)?),
            FAST_MODE => put(&mut self.fast_mode, switch(text)?),
            INFERENCE_GEO => put(&mut self.inference_geo, list(text)?),
            SERVICE_TIER => put(&mut self.service_tier, tiers(list(text)?)?),
            MCP_SERVERS => put(&mut self.mcp_servers, switch(text)?),
            CODE_EXECUTION => put(&mut self.code_execution, switch(text)?),
            CONTAINERS => put(&mut self.containers, switch(text)?),
            THREADS => put(&mut self.threads, switch(text)?),
            BETAS => put(&mut self.betas, list(text)?),
            MAX_TOKENS => put(&mut self.max_tokens, text.parse().map_err(|_| FeatureWordError::Number)?),
            _ => Err(FeatureWordError::Unknown),
        }
    }

    /// The policy as settings write it.
    pub(crate) fn words(&self) -> Vec<String> {
        let lists = self.lists().into_iter().filter_map(|(name, list)| {
            let list = list?;
            Some(format!("{name}={}", if list.is_empty() { NONE.to_owned() } else { list.join(BETWEEN) }))
        });
        let switches = [
            (FAST_MODE, self.fast_mode),
            (MCP_SERVERS, self.mcp_servers),
            (CODE_EXECUTION, self.code_execution),
            (CONTAINERS, self.containers),
            (THREADS, self.threads),
        ];
        let switches = switches.into_iter().filter_map(|(name, is_on)| {
            let is_on = is_on?;
            Some(format!("{name}={}", if is_on { ON } else { OFF }))
        });
        lists.chain(switches).chain(self.max_tokens.map(|most| format!("{MAX_TOKENS}={most}"))).collect()
    }

    /// Finds an entry that could never match, with the name of its field.
    pub(crate) fn check(&self) -> Result<(), (&'static str, FeatureWordError)> {
        for (name, list) in self.lists() {
            check_list(list.map(Vec::as_slice).unwrap_or_default()).map_err(|fault| (name, fault))?;
        }
        let tiers = self.service_tier.as_deref().unwrap_or_default();
        check_tiers(tiers).map_err(|fault| (SERVICE_TIER, fault))
    }

    fn lists(&self) -> [(&'static str, Option<&Vec<String>>); 4] {
        [
            (SERVER_TOOLS, self.server_tools.as_ref()),
            (INFERENCE_GEO, self.inference_geo.as_ref()),
            (SERVICE_TIER, self.service_tier.as_ref()),
            (BETAS, self.betas.as_ref()),
        ]
    }
}

fn put<T>(place: &mut Option<T>, value: T) -> Result<(), FeatureWordError> {
    if place.replace(value).is_some() { Err(FeatureWordError::Repeated) } else { Ok(()) }
}

fn list(text: &str) -> Result<Vec<String>, FeatureWordError> {
    if text == NONE {
        return Ok(Vec::new());
    }
    let list: Vec<_> = text.split(BETWEEN).map(|entry| entry.trim().to_owned()).collect();
    check_list(&list).map(|()| list)
}

fn tiers(list: Vec<String>) -> Result<Vec<String>, FeatureWordError> {
    check_tiers(&list).map(|()| list)
}

fn switch(text: &str) -> Result<bool, FeatureWordError> {
    match text {
        ON => Ok(true),
        OFF => Ok(false),
        _ => Err(FeatureWordError::Switch),
    }
}

fn check_list(list: &[String]) -> Result<(), FeatureWordError> {
    if list.iter().map(|entry| entry.chars().count()).sum::<usize>() > LONGEST {
        return Err(FeatureWordError::Long);
    }
    list.iter().try_for_each(|entry| check_pattern(entry)).map_err(|fault| match fault {
        PatternError::Empty => FeatureWordError::Empty,
        PatternError::Star => FeatureWordError::Star,
        PatternError::Space => FeatureWordError::Space,
    })
}

fn check_tiers(list: &[String]) -> Result<(), FeatureWordError> {
    if list.iter().all(|tier| TIERS.contains(&tier.as_str())) { Ok(()) } else { Err(FeatureWordError::Tier) }
}

const SERVER_TOOLS: &str = "server_tools";
const FAST_MODE: &str = "fast_mode";
const INFERENCE_GEO: &str = "inference_geo";
const SERVICE_TIER: &str = "service_tier";
const MCP_SERVERS: &str = "mcp_servers";
const CODE_EXECUTION: &str = "code_execution";
const CONTAINERS: &str = "containers";
const THREADS: &str = "threads";
const BETAS: &str = "betas";
const MAX_TOKENS: &str = "max_tokens";

const NAMES: [&str; 10] = [
    SERVER_TOOLS,
    FAST_MODE,
    INFERENCE_GEO,
    SERVICE_TIER,
    MCP_SERVERS,
    CODE_EXECUTION,
    CONTAINERS,
    THREADS,
    BETAS,
    MAX_TOKENS,
];

const TIERS: [&str; 3] = ["auto", "standard_only", "*"];

const ON: &str = "on";
const OFF: &str = "off";
const NONE: &str = "none";
/// Between two entries of a list. A comma stands between two words.
const BETWEEN: &str = "+";
/// In characters, of one list.
const LONGEST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<FeaturePolicy, FeatureWordError> {
        let mut policy = FeaturePolicy::default();
        words.iter().try_for_each(|word| policy.add(word))?;
        Ok(policy)
    }

    #[test]
    fn words_are_read_and_written_likewise() {
        let words = [
            "server_tools=web_fetch+tool_search_tool_*",
            "inference_geo=us",
            "service_tier=standard_only",
            "betas=none",
            "fast_mode=off",
            "mcp_servers=on",
            "code_execution=off",
            "containers=off",
            "threads=off",
            "max_tokens=8192",
        ];
        let policy = read(&words).unwrap();
        assert_eq!(policy.words(), words);
        let json = r#"{"server_tools":["web_fetch","tool_search_tool_*"],"fast_mode":false,"inference_geo":["us"],
            "service_tier":["standard_only"],"mcp_servers":true,"code_execution":false,"containers":false,
            "threads":false,"betas":[],"max_tokens":8192}"#;
        assert_eq!(serde_json::from_str::<FeaturePolicy>(json).unwrap(), policy);
        assert_eq!(read(&[" server_tools = a + b ", "betas=*"]).unwrap().words(), ["server_tools=a+b", "betas=*"]);
        assert_eq!(serde_json::to_string(&read(&["threads=off"]).unwrap()).unwrap(), r#"{"threads":false}"#);
    }

    #[test]
    fn a_word_that_says_nothing_certain_is_refused() {
        let cases: [(&[&str], FeatureWordError); 12] = [
            (&["fast_mode"], FeatureWordError::Shape),
            (&["fastmode=off"], FeatureWordError::Unknown),
            (&["FAST_MODE=off"], FeatureWordError::Unknown),
            (&["fast_mode=off", "fast_mode=off"], FeatureWordError::Repeated),
            (&["fast_mode=no"], FeatureWordError::Switch),
            (&["max_tokens=8k"], FeatureWordError::Number),
            (&["max_tokens=-1"], FeatureWordError::Number),
            (&["server_tools="], FeatureWordError::Empty),
            (&["server_tools=a++b"], FeatureWordError::Empty),
            (&["betas=*-2025"], FeatureWordError::Star),
            (&["betas=a b"], FeatureWordError::Space),
            (&["service_tier=standard"], FeatureWordError::Tier),
        ];
        for (words, fault) in cases {
            assert_eq!(read(words), Err(fault), "{words:?}");
        }
        let long = format!("betas={}", "x".repeat(LONGEST + 1));
        assert_eq!(read(&[long.as_str()]), Err(FeatureWordError::Long));
    }

    #[test]
    fn json_with_an_unknown_field_or_a_wrong_type_is_refused_by_name() {
        for (json, says) in [
            (r#"{"web_search":false}"#, "unknown field `web_search`"),
            (r#"{"fast_mode":"off"}"#, "invalid type: string"),
            (r#"{"betas":"a"}"#, "invalid type: string"),
            (r#"{"max_tokens":-1}"#, "invalid value: integer `-1`"),
            (r#"{"threads":false,"threads":true}"#, "duplicate field `threads`"),
        ] {
            let fault = serde_json::from_str::<FeaturePolicy>(json).unwrap_err().to_string();
            assert!(fault.contains(says), "{json}: {fault}");
        }
        let policy: FeaturePolicy = serde_json::from_str(r#"{"service_tier":["flex"]}"#).unwrap();
        assert_eq!(policy.check(), Err(("service_tier", FeatureWordError::Tier)));
    }
}
