use std::time::Duration;

use proptest::prelude::*;

use super::*;

impl Prices {
    /// The cost at standard speed and without extras.
    pub(crate) fn cost(&self, model: &str, at: SystemTime, tokens: &Tokens) -> Cost {
        self.cost_under(model, at, tokens, &Conditions::default())
    }
}

/// Noon in UTC on 2026-11-20.
fn today() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_176_000)
}

/// The last second of 2026-10-06.
fn before_october_7() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_791_331_199)
}

fn millions() -> Tokens {
    let million = 1_000_000;
    Tokens {
        input_tokens: million,
        output_tokens: million,
        cache_write_5m_tokens: million,
        cache_write_1h_tokens: million,
        cache_read_tokens: million,
    }
}

fn micros(cost: Cost) -> u64 {
    cost.amount.get()
}

#[test]
fn every_listed_model_costs_what_the_list_says() {
    // Input, output, cache write 5 m and 1 h and cache read added up, in cents.
    for (model, cents) in [
        ("claude-fable-5-2", 7420),
        ("claude-mythos-5-2", 7420),
        ("claude-fable-5-1", 9275),
        ("claude-mythos-5-1", 9275),
        ("claude-fable-5", 9350),
        ("claude-mythos-5", 9350),
        ("claude-opus-5-5", 3720),
        ("claude-opus-5", 4675),
        ("claude-opus-4-8", 4675),
        ("claude-opus-4-7", 4675),
        ("claude-opus-4-6", 4675),
        ("claude-opus-4-5", 4675),
        ("claude-sonnet-5-5", 1860),
        ("claude-sonnet-5", 1870),
        ("claude-sonnet-4-6", 2805),
        ("claude-sonnet-4-5", 2805),
        ("claude-haiku-4-5", 935),
    ] {
        let cost = Prices::shipped().cost(model, today(), &millions());
        assert_eq!(cost, Cost { amount: MicroDollars::new(cents * 10_000), estimated: false }, "{model}");
    }
}

#[test]
fn each_kind_of_token_has_its_own_rate() {
    let prices = Prices::shipped();
    let of = |tokens| micros(prices.cost("claude-opus-5-5", today(), &tokens));
    let none = Tokens::default();
    assert_eq!(of(Tokens { input_tokens: 1000, ..none }), 4_000);
    assert_eq!(of(Tokens { output_tokens: 1000, ..none }), 20_000);
    assert_eq!(of(Tokens { cache_write_5m_tokens: 1000, ..none }), 5_000);
    assert_eq!(of(Tokens { cache_write_1h_tokens: 1000, ..none }), 8_000);
    assert_eq!(of(Tokens { cache_read_tokens: 1000, ..none }), 200);
    assert_eq!(of(none), 0);
}

#[test]
fn a_price_change_takes_effect_on_its_day() {
    let read = Tokens { cache_read_tokens: 1_000_000, ..Tokens::default() };
    let on = |at| micros(Prices::shipped().cost("claude-sonnet-5-5", at, &read));
    assert_eq!(on(before_october_7()), 200_000);
    assert_eq!(on(before_october_7() + Duration::from_secs(1)), 100_000);
}

#[test]
fn the_tier_follows_the_whole_prompt_and_prices_the_whole_request() {
    let of = |tokens: &Tokens| micros(Prices::shipped().cost("claude-haiku-5-5", today(), tokens));
    let mut tokens = Tokens { input_tokens: 40_000, cache_read_tokens: 60_000, ..Tokens::default() };
    assert_eq!(of(&tokens), 4_000 + 600);
    tokens.cache_write_5m_tokens = 1;
    assert_eq!(of(&tokens), 20_000 + 3_000 + 1, "0.625 of a micro-dollar is rounded up");
}

#[test]
fn speed_place_and_batch_multiply_and_searches_add() {
    let tokens = Tokens { input_tokens: 1_000_000, ..Tokens::default() };
    let of = |conditions| Prices::shipped().cost_under("claude-opus-5-5", today(), &tokens, &conditions);
    let plain = Conditions::default();
    assert_eq!(micros(of(Conditions { fast: true, ..plain })), 8_000_000);
    assert_eq!(micros(of(Conditions { us: true, ..plain })), 4_400_000);
    assert_eq!(micros(of(Conditions { batch: true, ..plain })), 2_000_000);
    assert_eq!(micros(of(Conditions { us: true, batch: true, ..plain })), 2_200_000);
    assert_eq!(micros(of(Conditions { batch: true, web_searches: 3, ..plain })), 2_030_000);
}

#[test]
fn the_discount_of_batches_does_not_stack_with_fast_mode() {
    let tokens = Tokens { input_tokens: 1_000_000, ..Tokens::default() };
    for (us, amount) in [(false, 8_000_000), (true, 8_800_000)] {
        let conditions = Conditions { fast: true, us, batch: true, ..Conditions::default() };
        let cost = Prices::shipped().cost_under("claude-opus-5-5", today(), &tokens, &conditions);
        assert_eq!(cost, Cost { amount: MicroDollars::new(amount), estimated: true });
    }
}

#[test]
fn a_factor_the_model_does_not_offer_is_estimated_not_ignored() {
    let tokens = Tokens { input_tokens: 1_000_000, ..Tokens::default() };
    let fast = Conditions { fast: true, ..Conditions::default() };
    let cost = Prices::shipped().cost_under("claude-haiku-4-5", today(), &tokens, &fast);
    assert_eq!(cost, Cost { amount: MicroDollars::new(2_000_000), estimated: true });
}

#[test]
fn what_the_usage_leaves_open_makes_the_cost_an_estimate_also_where_the_answer_is_free() {
    let tokens = Tokens { input_tokens: 1_000_000, ..Tokens::default() };
    for (is_assumed, is_free) in [(false, false), (false, true), (true, false), (true, true)] {
        let conditions = Conditions { is_free, is_assumed, ..Conditions::default() };
        let cost = Prices::shipped().cost_under("claude-opus-5-5", today(), &tokens, &conditions);
        let amount = MicroDollars::new(if is_free { 0 } else { 4_000_000 });
        assert_eq!(cost, Cost { amount, estimated: is_assumed });
    }
}

#[test]
fn dated_and_long_context_spellings_are_known() {
    let prices = Prices::shipped();
    for model in ["claude-sonnet-4-5-20250929", "claude-sonnet-4-5[1m]", "claude-sonnet-4-5-20250929[1m]"] {
        assert!(prices.knows(model), "{model}");
    }
    for model in ["claude-sonnet", "claude-sonnet-4-55", "CLAUDE-SONNET-4-5", ""] {
        assert!(!prices.knows(model), "{model}");
    }
}

#[test]
fn an_unknown_model_costs_as_much_as_the_most_expensive_one() {
    let cost = Prices::shipped().cost("claude-saga-9", today(), &millions());
    assert_eq!(cost, Cost { amount: MicroDollars::new(93_500_000), estimated: true });
}

#[test]
fn before_its_first_day_a_model_costs_what_it_costs_on_that_day() {
    let file = format!("{HEAD}[[price]]\nmodels = [\"m\"]\nfrom = 2026-10-07\n{RATES}");
    let cost = Prices::parse(&file).unwrap().cost("m", before_october_7(), &millions());
    assert_eq!(cost, Cost { amount: MicroDollars::new(5_000_000), estimated: true });
}

#[test]
fn an_estimate_lies_above_what_the_request_can_cost() {
    let prices = Prices::shipped();
    let ask = EstimateInput { body: Some(76_000), max_tokens: Some(1_000), ..EstimateInput::default() };
    // 39,000 tokens written for an hour at 8 dollars, 1,000 tokens of output at 20.
    assert_eq!(micros(prices.estimate("claude-opus-5-5", today(), &ask)), 312_000 + 20_000);
    let unread = prices.estimate("claude-opus-5-5", today(), &EstimateInput::default());
    assert_eq!(micros(unread), 8_000_000 + 128_000 * 20, "the largest prompt and the largest output");
    let absurd = EstimateInput { body: Some(u64::MAX), max_tokens: Some(u64::MAX), ..EstimateInput::default() };
    assert_eq!(prices.estimate("claude-opus-5-5", today(), &absurd), unread);
    assert!(prices.estimate("?", today(), &ask).estimated);
}

#[test]
fn f64_what_the_upstream_keeps_of_a_conversation_counts_as_its_prompt() {
    let prices = Prices::shipped();
    let ask = |model, kept| {
        let ask = EstimateInput { body: Some(162), max_tokens: Some(100), kept, ..EstimateInput::default() };
        micros(prices.estimate(model, today(), &ask))
    };
    // 901,081 tokens written for an hour at 8 dollars, 100 tokens of output at 20.
    assert_eq!(ask("claude-opus-5-5", 900_000), 901_081 * 8 + 2_000);
    assert_eq!(ask("claude-opus-5-5", u64::MAX), 8_000_000 + 2_000, "the largest prompt there is");
    // Above 100,000 tokens a token written for an hour costs a dollar a million, and one of output 2.50.
    assert_eq!((ask("claude-haiku-5-5", 98_000), ask("claude-haiku-5-5", 150_000)), (19_867, 151_081 + 250));
}

const HEAD: &str = "largest_prompt = 10\nlargest_output = 10\nbatch = 0.5\nweb_search = 0.01\n";
const RATES: &str = "input = 1\noutput = 1\ncache_write_5m = 1\ncache_write_1h = 1\ncache_read = 1\n";

fn problems(text: &str) -> Vec<String> {
    Prices::parse(text).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn every_fault_of_a_file_is_reported_with_its_place() {
    let file = r#"
largest_prompt = "many"
largest_output = 10
batch = -0.5
web_lookups = 0.01

[[price]]
models = []
from = "2026-10-07"
prompt_above = 0
input = 1e3
output = 2000000
cache_write_5m = 0.0000001
cache_write_1h = "1"
fast = 0x2
inputs = 1
"#;
    assert_eq!(
        problems(file),
        [
            "line 1, web_search: is missing",
            "line 2, largest_prompt: must be a number of tokens from 1 to 1000000000",
            "line 4, batch: is no plain decimal number such as 12.50",
            "line 5, web_lookups: is unknown; there are: largest_prompt, largest_output, batch, web_search, price",
            "line 7, price[0].cache_read: is missing",
            "line 8, price[0].models: must be a list of model ids in quotes",
            "line 9, price[0].from: must be a day since 1970 such as 2026-10-07, without quotes",
            "line 10, price[0].prompt_above: must be a number of tokens from 1 to 1000000000",
            "line 11, price[0].input: is no plain decimal number such as 12.50",
            "line 12, price[0].output: must be at most 1000000",
            "line 13, price[0].cache_write_5m: has more than six decimal places",
            "line 14, price[0].cache_write_1h: must be a number, not string",
            "line 15, price[0].fast: must be a number, not integer",
            "line 16, price[0].inputs: is unknown; there are: models, from, prompt_above, input, output, cache_write_5m, \
             cache_write_1h, cache_read, fast, us",
        ]
    );
}

#[test]
fn a_file_without_prices_or_that_is_no_toml_is_refused() {
    assert_eq!(problems(HEAD), ["line 1, price: is missing"]);
    assert_eq!(
        problems(&format!("{HEAD}price = []")),
        ["line 5, price: must be one or more tables, each headed [[price]]"]
    );
    assert!(problems("batch = \n[[price]").len() > 1, "every fault of the syntax");
    assert!(problems("").len() > 3);
}

#[test]
fn rows_must_be_unambiguous_and_complete() {
    let row = |extra: &str| format!("[[price]]\nmodels = [\"m\"]\n{extra}\n{RATES}");
    let twice = problems(&format!("{HEAD}{}{}", row(""), row("")));
    assert_eq!(twice, ["line 13, price[1].models: has m a second time for the same day and length of prompt"]);
    let no_base = problems(&format!("{HEAD}{}{}", row(""), row("from = 2026-10-07\nprompt_above = 5")));
    assert_eq!(
        no_base,
        ["line 13, price[1].prompt_above: is a tier of m, which has no prices without prompt_above from the same day"]
    );
}

#[test]
fn a_model_in_a_file_has_its_prices_from_its_first_day_on_and_the_list_keeps_the_rest() {
    let row = |from: &str| format!("[[price]]\nmodels = [\"claude-sonnet-5-5\", \"claude-ours\"]\n{from}\n{RATES}");
    let list = Prices::shipped();
    let read = Tokens { cache_read_tokens: 1_000_000, ..Tokens::default() };
    let on = |prices: &Prices, model: &str, at| micros(prices.cost(model, at, &read));
    // The list itself has a change on 2026-10-07.
    let later = list.with_file(&row("from = 2026-11-01")).unwrap();
    let november = today();
    assert_eq!(on(&later, "claude-sonnet-5-5", november), 1_000_000);
    assert_eq!(on(&later, "claude-sonnet-5-5", before_october_7()), 200_000);
    assert_eq!(on(&later, "claude-sonnet-5-5", before_october_7() + Duration::from_secs(86_400)), 100_000);
    let earlier = list.with_file(&row("from = 2026-10-01")).unwrap();
    assert_eq!(on(&earlier, "claude-sonnet-5-5", november), 1_000_000, "a later change of the list does not count");
    let always = list.with_file(&row("")).unwrap();
    assert_eq!(on(&always, "claude-sonnet-5-5", before_october_7()), 1_000_000);
    for prices in [&later, &earlier, &always] {
        assert_eq!(on(prices, "claude-opus-5-5", november), on(&list, "claude-opus-5-5", november));
        assert!(prices.knows("claude-ours"));
        let batch =
            prices.cost_under("claude-ours", november, &read, &Conditions { batch: true, ..Conditions::default() });
        assert_eq!(micros(batch), 500_000, "the factor of the list");
    }
}

#[test]
fn a_file_over_the_list_may_change_single_numbers_and_must_not_be_wrong() {
    let list = Prices::shipped();
    let halved = list.with_file("batch = 0.25").unwrap();
    let tokens = Tokens { input_tokens: 1_000_000, ..Tokens::default() };
    let batch = Conditions { batch: true, ..Conditions::default() };
    assert_eq!(micros(halved.cost_under("claude-opus-5-5", today(), &tokens, &batch)), 1_000_000);
    let problems =
        |text: &str| -> Vec<_> { list.with_file(text).unwrap_err().iter().map(ToString::to_string).collect() };
    assert_eq!(problems("batch = -1"), ["line 1, batch: is no plain decimal number such as 12.50"]);
    assert_eq!(problems("price = []"), ["line 1, price: must be one or more tables, each headed [[price]]"]);
    let half = "[[price]]\nmodels = [\"claude-ours\"]\noutput = 1\ncache_write_5m = 1\ncache_write_1h = 1\ncache_read = \"1\"\n";
    assert_eq!(
        problems(half),
        [
            "line 1, price[0].input of claude-ours: is missing",
            "line 6, price[0].cache_read of claude-ours: must be a number, not string",
        ]
    );
}

proptest! {
    #[test]
    fn no_cost_overflows_and_more_tokens_never_cost_less(
        input_tokens in any::<u64>(), output_tokens in any::<u64>(), cache_read_tokens in any::<u64>(),
        more in any::<u64>(), model in prop::sample::select(vec!["claude-fable-5-2", "claude-haiku-5-5", "?"]),
    ) {
        let prices = Prices::shipped();
        let tokens = Tokens { input_tokens, output_tokens, cache_read_tokens, ..Tokens::default() };
        let longer = Tokens { output_tokens: output_tokens.saturating_add(more), ..tokens };
        let cost = |tokens: &Tokens| prices.cost(model, today(), tokens).amount;
        prop_assert!(cost(&longer) >= cost(&tokens));
        prop_assert_eq!(cost(&tokens) == MicroDollars::ZERO, tokens == Tokens::default());
    }
}
