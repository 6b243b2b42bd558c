//! Reads a page of one of the API's lists (`{"data": [{"id": …}, …], "has_more": …}`) that is whole in memory. Each entry
//! keeps its bytes.

use super::skim::Skim;
use super::walk::Walk;
use super::{Found, JsonError, ObjectScanner};

pub(crate) struct ListPage<'a> {
    /// The entries whose id is one text, in their order.
    pub entries: Vec<ListEntry<'a>>,
    pub has_more: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListEntry<'a> {
    pub id: String,
    pub bytes: &'a [u8],
}

impl<'a> ListPage<'a> {
    /// Fails unless the page is an object with one list of objects. A second `data` is an error: parsers differ on which
    /// one counts.
    pub(crate) fn read(page: &'a [u8]) -> Result<Self, JsonError> {
        let mut walk = Walk::new(&["data", "has_more"]);
        let (mut at, mut values): (usize, [Option<&[u8]>; 2]) = (0, [None, None]);
        while at < page.len() {
            let mut part = None;
            let used = walk.step(&page[at..], |key, bytes, ended| part = Some((key, bytes.len(), ended)))?;
            if let Some((key, length, ended)) = part {
                let is_second = values[key].replace(&page[at..at + length]).is_some();
                if is_second || !ended {
                    return Err(JsonError);
                }
            }
            at += used;
        }
        let [data, has_more] = values;
        let data = data.filter(|_| walk.is_over()).ok_or(JsonError)?;
        Ok(Self { entries: entries(data)?, has_more: has_more.is_some_and(|value| value.trim_ascii() == b"true") })
    }
}

fn entries(list: &[u8]) -> Result<Vec<ListEntry<'_>>, JsonError> {
    let inner = list.trim_ascii().strip_prefix(b"[").and_then(|list| list.strip_suffix(b"]")).ok_or(JsonError)?;
    let (mut rest, mut entries) = (inner.trim_ascii(), Vec::new());
    while !rest.is_empty() {
        if !entries.is_empty() {
            rest = rest.strip_prefix(b",").ok_or(JsonError)?.trim_ascii_start();
        }
        let (bytes, behind) = rest.split_at(object_length(rest)?);
        entries.push((id_of(bytes)?, bytes));
        rest = behind.trim_ascii_start();
    }
    Ok(entries.into_iter().filter_map(|(id, bytes)| Some(ListEntry { id: id?, bytes })).collect())
}

fn object_length(bytes: &[u8]) -> Result<usize, JsonError> {
    match Skim::default().value_part(bytes) {
        (length, true) if bytes.first() == Some(&b'{') => Ok(length),
        _ => Err(JsonError),
    }
}

/// `None` unless the id is one text.
fn id_of(entry: &[u8]) -> Result<Option<String>, JsonError> {
    let mut scanner = ObjectScanner::new(&["id"]);
    scanner.feed(entry)?;
    let Found::Value(raw) = scanner.found(0) else { return Ok(None) };
    Ok(serde_json::from_slice(raw).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(page: &str) -> Result<(Vec<(String, String)>, bool), JsonError> {
        let page = ListPage::read(page.as_bytes())?;
        let shown = |entry: &ListEntry<'_>| (entry.id.clone(), String::from_utf8(entry.bytes.to_vec()).unwrap());
        Ok((page.entries.iter().map(shown).collect(), page.has_more))
    }

    #[test]
    fn entries_keep_their_bytes_and_their_order() {
        let odd = r#"{ "x":[{"id":"no"}, "}]"],"\u0069d" : "b\n" , "n":1e3 }"#;
        let page = format!(" {{\"has_more\" : true ,\"data\" : [ {{\"id\":\"a\"}} ,\n{odd}\t], \"last_id\":\"b\"}}\n");
        let expected = vec![("a".to_owned(), r#"{"id":"a"}"#.to_owned()), ("b\n".to_owned(), odd.to_owned())];
        assert_eq!(read(&page), Ok((expected, true)));
        assert_eq!(read(r#"{"data":[],"has_more":false}"#), Ok((Vec::new(), false)));
        assert_eq!(read(r#"{"data":[ ]}"#), Ok((Vec::new(), false)));
    }

    #[test]
    fn a58_an_entry_with_no_single_id_is_left_out() {
        let page = r#"{"data":[{"id":"a","id":"b"},{"name":"c"},{"id":7},{"id":null},{},{"id":"d"}]}"#;
        let ids: Vec<_> = read(page).unwrap().0.into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, ["d"]);
    }

    #[test]
    fn a58_a_page_that_two_parsers_could_read_differently_is_malformed() {
        for page in [
            r#"{"data":[{"id":"a"}],"data":[{"id":"b"}]}"#,
            r#"{"data":[{"id":"a"}],"\u0064ata":[]}"#,
            r#"{"data":[{"id":"a"}]"#,
            r#"{"data":[{"id":"a"}"#,
            r#"{"data":[{"id":"a"},]}"#,
            r#"{"data":[,{"id":"a"}]}"#,
            r#"{"data":[{"id":"a"}{"id":"b"}]}"#,
            r#"{"data":["a"]}"#,
            r#"{"data":[[{"id":"a"}]]}"#,
            r#"{"data":{"id":"a"}}"#,
            r#"{"data":null}"#,
            r#"{"models":[]}"#,
            r#"[{"id":"a"}]"#,
            "\u{feff}{}",
            "",
        ] {
            assert_eq!(read(page), Err(JsonError), "{page}");
        }
    }
}
