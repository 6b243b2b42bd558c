//! What a list is asked for.

use url::form_urlencoded;

use super::MOST_ON_PAGE;
use crate::service::store::database::PageStart;
use crate::transport::problem::Problem;
use crate::wire::ErrorCode;

/// The query of a list, which is all understood: a filter that is passed over would make the list say what is not so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    /// Objects on the page.
    pub limit: u32,
    /// Where it begins.
    pub start: PageStart,
    /// `beta=true`, which older SDKs send.
    pub beta: bool,
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// A [`Problem`] with 400.
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

    /// The id that the page begins behind, if there is one.
    pub(super) fn start_id(&self) -> &str {
        match &self.start {
            PageStart::Newest => "",
            PageStart::After(id) | PageStart::Before(id) => id,
        }
    }

    /// The start of what comes behind `id` in the same direction.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_how_many_and_from_where() {
        let read = |text| Query::read(Some(text)).unwrap();
        let plain = Query { limit: MOST_ON_PAGE, start: PageStart::Newest, beta: false };
        assert_eq!((Query::read(None).unwrap(), read("")), (plain.clone(), plain.clone()));
        let after = PageStart::After("file_1".into());
        assert_eq!(read("limit=3&after_id=file_1&beta=true"), Query { limit: 3, start: after, beta: true });
        assert_eq!(read("limit=1000&before_id=b").start, PageStart::Before("b".into()));
        assert_eq!(read("limit=1000"), plain);
    }

    #[test]
    fn a_query_that_is_not_understood_is_refused() {
        for text in
            ["limit=0", "limit=1001", "limit=x", "after_id=a&before_id=b", "after_id=a&after_id=b", "scope_id=s"]
        {
            assert_eq!(Query::read(Some(text)).unwrap_err().code, ErrorCode::RequestInvalid, "{text}");
        }
    }
}
