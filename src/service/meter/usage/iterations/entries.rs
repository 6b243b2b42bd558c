//! The entries of an answer: its own, and those of work beside it.

use super::entry::Entry;
use super::iteration::{Iteration, ModelTokens};
use super::models::Models;
use super::top_level::TopLevel;
use crate::service::base::model_id::is_same_model;
use crate::service::meter::usage::Tokens;

pub(super) struct Entries<'a> {
    /// The rounds of the model that answered.
    pub(super) answer: Vec<Entry<'a>>,
    others: Vec<Entry<'a>>,
    /// The sum of `answer`.
    pub(super) own: Tokens,
    /// The sum of `others`.
    pub(super) apart: Tokens,
    named: Option<&'a str>,
    answering: Option<&'a str>,
    /// The model that was asked, as far as it may be another than the one that answered.
    asked: Option<&'a str>,
    began_otherwise: bool,
    has_fallback: bool,
}

impl<'a> Entries<'a> {
    pub(super) fn of(models: &Models<'a>, iterations: &'a [Iteration]) -> Self {
        let Models { asked, named, took_over } = *models;
        let fallback = iterations.iter().rposition(Iteration::is_fallback);
        let answering = fallback.and_then(|at| iterations[at].model()).or(took_over).or(named);
        let began_otherwise = named.zip(answering).is_some_and(|(first, last)| !is_same_model(first, last));
        let is_other = |entry: &Iteration| answering.is_some() && entry.is_attempt() && !entry.is_by(answering);
        let has_fallback = fallback.is_some() || took_over.is_some() || iterations.iter().any(is_other);
        let is_by_answering = |entry: &Iteration| entry.is_attempt() && entry.is_by(answering);
        let last = fallback.or_else(|| iterations.iter().rposition(is_by_answering));
        // Before a fallback answers, an attempt without output was declined, and one that leaves its model out is of the model
        // that was asked.
        let is_declined = |at: usize, entry: &Iteration| {
            let is_empty = Some(at) < last && entry.tokens().output_tokens == 0;
            has_fallback && last != Some(at) && (is_empty || entry.model().is_none())
        };
        let (mut answer, mut others) = (Vec::new(), Vec::new());
        for (at, iteration) in iterations.iter().enumerate() {
            let is_answer = is_by_answering(iteration) && !is_declined(at, iteration);
            let part = if is_answer { &mut answer } else { &mut others };
            part.push(Entry::of(iteration));
        }
        Self {
            own: Entry::sum(&answer),
            apart: Entry::sum(&others),
            answer,
            others,
            named,
            answering,
            // A stream names the model that began it.
            asked: named.filter(|_| began_otherwise || took_over.is_some()).or(asked),
            began_otherwise,
            has_fallback,
        }
    }

    /// All tokens that are billed. The entries take over what only the top level says of the lifetimes of their cache writes.
    /// Also returns whether a lifetime is assumed.
    pub(super) fn bill(&mut self, whole: &TopLevel) -> (Tokens, bool) {
        let Self { answer, others, own, apart, .. } = &*self;
        if answer.is_empty() {
            return (whole.tokens.plus(apart), false);
        }
        let (all, own_split) = (own.plus(apart), Entry::split_writes(answer));
        let all_split = own_split.saturating_add(Entry::split_writes(others));
        let top = whole.beside(&all, all_split);
        // The API does not say whether the top level includes all entries. If their sum fits into it, it does.
        let is_whole = !self.began_otherwise && all.is_within(&top);
        let (said, said_split) = if is_whole { (all, all_split) } else { (*own, own_split) };
        let top = whole.beside(&said, said_split);
        let billed = match self.began_otherwise {
            // The top level of a stream still has counts of the model that began.
            true => own.completed_by(&top),
            false if is_whole => top,
            false => top.raised_to(own),
        };
        let is_disputed =
            !billed.has_split(&said, said_split) || !billed.has_split(&whole.tokens, whole.stated.split_writes);
        let tokens = if is_whole { billed } else { billed.plus(apart) };
        let unsaid_hours = tokens.cache_write_1h_tokens.saturating_sub(all.cache_write_1h_tokens);
        let is_guessed = self.share_out(unsaid_hours, is_whole);
        (tokens, is_disputed || is_guessed)
    }

    /// Counts `hours` of the cache writes without a lifetime as writes for an hour: those of the answer, and then those of the
    /// others where `is_of_all`. Returns whether it is guessed which round has them.
    fn share_out(&mut self, hours: u64, is_of_all: bool) -> bool {
        let unsplit: Vec<_> = self.answer.iter().map(Entry::unsplit_writes).filter(|count| *count > 0).collect();
        let is_guessed = unsplit.len() > 1 && hours > 0 && hours < unsplit.iter().sum::<u64>();
        let rest = Entry::share_out(&mut self.answer, hours);
        if is_of_all {
            Entry::share_out(&mut self.others, rest);
        }
        (self.own, self.apart) = (Entry::sum(&self.answer), Entry::sum(&self.others));
        is_guessed
    }

    /// What is priced apart: work beside the answer, and with `are_rounds_apart` the rounds of the answer.
    pub(super) fn shares(&self, are_rounds_apart: bool) -> Vec<ModelTokens> {
        let share = |entry: &Entry<'_>| entry.share(self.asked, self.has_fallback);
        let round = |entry: &Entry<'_>| ModelTokens { model: None, tokens: entry.tokens, is_free: false };
        let rounds = self.answer.iter().filter(|_| are_rounds_apart).map(round);
        self.others.iter().map(share).chain(rounds).collect()
    }

    /// The model that answered.
    pub(super) fn model(&self) -> Option<&'a str> {
        if self.began_otherwise { self.answering } else { self.named.or(self.answering) }
    }

    /// Whether a count or the model of work beside the answer is assumed, or whether it is free.
    pub(super) fn are_others_assumed(&self) -> bool {
        self.has_fallback || !self.others.iter().all(|entry| entry.iteration.has_certain_price())
    }
}
