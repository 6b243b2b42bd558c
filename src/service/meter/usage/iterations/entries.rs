//! The entries of an answer: its own, and those of work beside it.

use super::iteration::{Iteration, ModelTokens};
use crate::service::base::model_id::is_same_model;
use crate::service::meter::usage::Tokens;

pub(super) struct Entries<'a> {
    /// The rounds of the model that answered.
    pub(super) answer: Vec<&'a Iteration>,
    others: Vec<&'a Iteration>,
    /// The sum of `answer`.
    pub(super) own: Tokens,
    /// The sum of `others`.
    pub(super) apart: Tokens,
    /// The model that began the answer.
    began: Option<&'a str>,
    answering: Option<&'a str>,
    began_otherwise: bool,
    has_fallback: bool,
    /// Whether a stream has announced a fallback.
    is_announced: bool,
}

impl<'a> Entries<'a> {
    /// `model` began the answer; `took_over` is the model of a fallback that a stream has announced.
    pub(super) fn of(model: Option<&'a str>, took_over: Option<&'a str>, iterations: &'a [Iteration]) -> Self {
        let fallback = iterations.iter().rev().find(|entry| entry.is_fallback());
        let answering = fallback.and_then(|entry| entry.model.0.as_deref()).or(took_over).or(model);
        let is_answer = |entry: &&Iteration| match fallback {
            // The first attempt may leave its model out: it is the one that was asked.
            Some(_) if !entry.is_fallback() && entry.model.0.is_none() => false,
            _ => entry.is_attempt() && entry.is_by(answering),
        };
        let (answer, others): (Vec<_>, Vec<_>) = iterations.iter().partition(is_answer);
        let sum =
            |entries: &[&Iteration]| entries.iter().fold(Tokens::default(), |sum, entry| sum.plus(&entry.tokens()));
        Self {
            own: sum(&answer),
            apart: sum(&others),
            answer,
            others,
            began: model,
            answering,
            began_otherwise: model.zip(answering).is_some_and(|(first, last)| !is_same_model(first, last)),
            has_fallback: fallback.is_some(),
            is_announced: took_over.is_some(),
        }
    }

    /// All tokens that are billed. `top` are those of the top level.
    pub(super) fn bill(&self, top: &Tokens) -> Tokens {
        let Self { own, apart, .. } = self;
        match self.answer.is_empty() {
            // The top level of a stream still has counts of the model that began.
            false if self.began_otherwise => own.completed_by(top).plus(apart),
            // The API does not say whether the top level includes all entries. If their sum fits into it, it does.
            false if own.plus(apart).is_within(top) => *top,
            false => top.raised_to(own).plus(apart),
            true => top.plus(apart),
        }
    }

    /// What is priced apart: work beside the answer, and with `are_rounds_apart` the rounds of the answer.
    pub(super) fn shares(&self, are_rounds_apart: bool) -> Vec<ModelTokens> {
        let share = |entry: &&Iteration| entry.share(self.began, self.has_fallback);
        let round = |entry: &&Iteration| ModelTokens { model: None, tokens: entry.tokens(), is_free: false };
        let rounds = self.answer.iter().filter(|_| are_rounds_apart).map(round);
        self.others.iter().map(share).chain(rounds).collect()
    }

    /// The model that answered.
    pub(super) fn model(&self) -> Option<&'a str> {
        if self.began_otherwise { self.answering } else { self.began.or(self.answering) }
    }

    /// Whether a count or the model of work beside the answer is assumed, or whether it is free.
    pub(super) fn are_others_assumed(&self) -> bool {
        let has_fallback = self.has_fallback || self.is_announced;
        has_fallback || !self.others.iter().all(|entry| entry.has_certain_price())
    }
}
