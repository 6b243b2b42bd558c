//! Settings of prices.

use std::path::Path;

use super::{Reader, set};
use crate::service::base::text_file::TextFile;
use crate::service::config::Flags;
use crate::service::meter::prices::PriceList;
use crate::service::meter::prices::Prices;

impl Reader {
    pub(in crate::service::config) fn prices(&mut self, flags: &Flags) -> PriceList {
        let shipped = PriceList { table: Prices::shipped(), file: None };
        let Some(path) = set(flags.prices_file.as_deref()) else { return shipped };
        let file = match TextFile::read(Path::new(path)) {
            Ok(file) => file,
            Err(error) => {
                self.wrong(FILE, format!("{path} cannot be read: {error}"));
                return shipped;
            }
        };
        match shipped.table.with_file(file.content.expose()) {
            Ok(table) => PriceList { table, file: Some(file) },
            Err(faults) => {
                for fault in faults {
                    self.wrong(FILE, format!("{path}: {fault}"));
                }
                shipped
            }
        }
    }
}

const FILE: &str = "PRICES_FILE";
