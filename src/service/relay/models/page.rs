//! The page of the list of models that a restricted device asks for.
//!
//! The service reads the whole list and cuts the page out of the models that are left, so `has_more` leads a client to all
//! of them. A page of the upstream's, thinned out, could be empty, and SDKs stop at an empty page.

use bytes::Bytes;
use url::form_urlencoded;

use crate::transport::problem::Problem;
use crate::wire::ErrorCode;

/// The query of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PageQuery {
    limit: usize,
    start: PageStart,
    /// Other parameters, for the upstream.
    others: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PageStart {
    Newest,
    After(String),
    Before(String),
}

/// A model of the list by its id, and its bytes.
pub(super) type ListedModel = (String, Bytes);

impl PageQuery {
    /// A [`Problem`] is a 400.
    pub(super) fn read(text: Option<&str>) -> Result<Self, Problem> {
        let mut query = Self { limit: DEFAULT_LIMIT, start: PageStart::Newest, others: Vec::new() };
        for (name, value) in form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
            match name.as_ref() {
                "limit" => query.limit = limit(&value)?,
                "after_id" => query.begin(PageStart::After(value.into_owned()))?,
                "before_id" => query.begin(PageStart::Before(value.into_owned()))?,
                _ => query.others.push((name.into_owned(), value.into_owned())),
            }
        }
        Ok(query)
    }

    /// The query of the whole list, or of what comes after a model.
    pub(super) fn of_all(&self, after: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.others).append_pair("limit", MOST_ON_PAGE);
        if let Some(after) = after {
            query.append_pair("after_id", after);
        }
        query.finish()
    }

    /// The page of `models`, and whether more follow in its direction. An unknown start is a 400: also that of a model that
    /// is not among `models`, so that it does not tell whether there is such a model.
    pub(super) fn cut<'a>(&self, models: &'a [ListedModel]) -> Result<(&'a [ListedModel], bool), Problem> {
        let (models, is_before) = match &self.start {
            PageStart::Newest => (models, false),
            PageStart::After(id) => (&models[place(models, "after_id", id)? + 1..], false),
            PageStart::Before(id) => (&models[..place(models, "before_id", id)?], true),
        };
        let over = models.len().saturating_sub(self.limit);
        let page = if is_before { &models[over..] } else { &models[..models.len() - over] };
        Ok((page, over > 0))
    }

    fn begin(&mut self, start: PageStart) -> Result<(), Problem> {
        if self.start != PageStart::Newest {
            return Err(wrong("A page begins behind one id: give before_id or after_id, once".to_owned()));
        }
        self.start = start;
        Ok(())
    }
}

fn place(models: &[ListedModel], name: &str, id: &str) -> Result<usize, Problem> {
    let unknown = || wrong(format!("{name} is no model of this list"));
    models.iter().position(|(own, _)| own == id).ok_or_else(unknown)
}

fn limit(text: &str) -> Result<usize, Problem> {
    let limit = text.parse::<usize>().ok().filter(|limit| (1..=1000).contains(limit));
    limit.ok_or_else(|| wrong("limit must be a whole number from 1 to 1000".to_owned()))
}

fn wrong(message: String) -> Problem {
    Problem::new(ErrorCode::RequestInvalid, message)
}

/// The API's own.
const DEFAULT_LIMIT: usize = 20;
const MOST_ON_PAGE: &str = "1000";

#[cfg(test)]
mod tests {
    use super::*;

    fn models() -> Vec<ListedModel> {
        ["a", "b", "c", "d", "e"].into_iter().map(|id| (id.to_owned(), Bytes::new())).collect()
    }

    fn cut(query: &str) -> Result<(String, bool), ErrorCode> {
        let models = models();
        let cut = PageQuery::read(Some(query)).and_then(|query| query.cut(&models));
        let (page, has_more) = cut.map_err(|problem| problem.code)?;
        Ok((page.iter().map(|(id, _)| id.as_str()).collect(), has_more))
    }

    #[test]
    fn pages_lead_through_the_list_in_both_directions_and_end() {
        for (query, page, has_more) in [
            ("", "abcde", false),
            ("limit=5", "abcde", false),
            ("limit=2", "ab", true),
            ("limit=2&after_id=b", "cd", true),
            ("limit=2&after_id=d", "e", false),
            ("limit=2&after_id=e", "", false),
            ("limit=2&before_id=e", "cd", true),
            ("before_id=c&limit=2", "ab", false),
            ("limit=2&before_id=a", "", false),
        ] {
            assert_eq!(cut(query), Ok((page.to_owned(), has_more)), "{query}");
        }
    }

    #[test]
    fn a_query_that_makes_no_page_is_refused() {
        for query in ["limit=0", "limit=1001", "limit=x", "after_id=z", "before_id=", "after_id=a&before_id=b"] {
            assert_eq!(cut(query), Err(ErrorCode::RequestInvalid), "{query}");
        }
    }

    #[test]
    fn the_whole_list_is_asked_for_with_the_other_parameters() {
        let query = PageQuery::read(Some("limit=3&x=1%26y&after_id=a&beta=true")).unwrap();
        assert_eq!(query.of_all(None), "x=1%26y&beta=true&limit=1000");
        assert_eq!(query.of_all(Some("c/d")), "x=1%26y&beta=true&limit=1000&after_id=c%2Fd");
    }
}
