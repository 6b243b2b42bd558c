//! The query of a list.

use url::form_urlencoded;

use crate::service::store::database::PageStart;
use crate::transport::problem::Problem;
use crate::wire::ErrorCode;

/// An unknown parameter is refused: with an ignored filter the list would be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    /// Most objects on the page.
    pub limit: u32,
    pub start: PageStart,
    /// `beta=true`, which older SDKs send.
    pub beta: bool,
}

impl Query {
    /// A [`Problem`] is a 400.
    pub(super) fn read(text: Option<&str>) -> Result<Self, Problem> {
        let mut query = Self { limit: MOST_ON_PAGE, start: PageStart::Newest, beta: false };
        for (name, value) in form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
            match name.as_ref() {
                "limit" => query.limit = limit(&value)?,
                "after_id" => query.begin(PageStart::After(value.into_owned()))?,
                "before_id" => query.begin(PageStart::Before(value.into_owned()))?,
                "beta" => query.beta = value == "true",
                _ => return Err(wrong("Lists take limit, before_id and after_id here, and nothing else")),
            }
        }
        Ok(query)
    }

    /// The id that the page starts behind, or an empty text.
    pub(super) fn start_id(&self) -> &str {
        match &self.start {
            PageStart::Newest => "",
            PageStart::After(id) | PageStart::Before(id) => id,
        }
    }

    /// The start behind `id` in the same direction.
    pub(super) fn behind(&self, id: String) -> PageStart {
        match self.start {
            PageStart::Newest | PageStart::After(_) => PageStart::After(id),
            PageStart::Before(_) => PageStart::Before(id),
        }
    }

    fn begin(&mut self, start: PageStart) -> Result<(), Problem> {
        if self.start != PageStart::Newest {
            return Err(wrong("A page begins behind one id: give before_id or after_id, once"));
        }
        self.start = start;
        Ok(())
    }
}

fn limit(text: &str) -> Result<u32, Problem> {
    let limit = text.parse::<u32>().ok().filter(|limit| (1..=1000).contains(limit));
    Ok(limit.ok_or_else(|| wrong("limit must be a whole number from 1 to 1000"))?.min(MOST_ON_PAGE))
}

fn wrong(message: &str) -> Problem {
    Problem::new(ErrorCode::RequestInvalid, message)
}

/// Objects of one page; the API's own default.
pub(super) const MOST_ON_PAGE: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_sets_the_limit_and_the_start_of_the_page() {
        let read = |text| Query::read(Some(text)).unwrap();
        let plain = Query { limit: MOST_ON_PAGE, start: PageStart::Newest, beta: false };
        assert_eq!((Query::read(None).unwrap(), read("")), (plain.clone(), plain.clone()));
        let after = PageStart::After("file_1".into());
        assert_eq!(read("limit=3&after_id=file_1&beta=true"), Query { limit: 3, start: after, beta: true });
        assert_eq!(read("limit=1000&before_id=b").start, PageStart::Before("b".into()));
        assert_eq!(read("limit=1000"), plain);
    }

    #[test]
    fn a_query_with_an_unknown_or_invalid_parameter_is_refused() {
        for text in
            ["limit=0", "limit=1001", "limit=x", "after_id=a&before_id=b", "after_id=a&after_id=b", "scope_id=s"]
        {
            assert_eq!(Query::read(Some(text)).unwrap_err().code, ErrorCode::RequestInvalid, "{text}");
        }
    }
}
