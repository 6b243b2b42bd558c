//! The imports of every file: private `use` lines, and the paths that stand in the code itself.

use std::fmt;
use std::path::PathBuf;

use proc_macro2::{Spacing, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{ItemUse, Macro, Visibility};

use super::module::{Crate, ModulePath, uses_of};

pub(crate) struct Import {
    pub file: PathBuf,
    pub line: usize,
    /// As it is written.
    pub path: String,
    pub from: ModulePath,
    /// The module that defines the name and its file; none if the path leads nowhere.
    pub target: Option<(ModulePath, PathBuf)>,
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: `{}`", self.file.display(), self.line, self.path)
    }
}

/// All imports of one module of the crate by another.
pub(crate) fn imports(tree: &Crate) -> Vec<Import> {
    let mut all = Vec::new();
    for (path, module) in &tree.modules {
        let mut collector = Collector::default();
        module.items.iter().for_each(|item| collector.visit_item(item));
        for (segments, line) in collector.paths {
            let target = match tree.resolve(path, &segments) {
                Some(target) if target == *path => continue,
                Some(target) => Some((target.clone(), tree.modules[&target].file.clone())),
                None if is_of_this_crate(&segments) => None,
                None => continue,
            };
            let import =
                Import { file: module.file.clone(), line, path: segments.join("::"), from: path.clone(), target };
            all.push(import);
        }
    }
    all
}

/// Whether a path can only lead into this crate. `self` and `super` of `Self`-like paths are not among them.
fn is_of_this_crate(path: &[String]) -> bool {
    path.len() > 1 && matches!(path[0].as_str(), "crate" | "super")
}

#[derive(Default)]
struct Collector {
    /// Each path with its line.
    paths: Vec<(Vec<String>, usize)>,
}

impl Collector {
    /// Takes the paths out of what a macro is given, which is not parsed.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<(String, usize)> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match &token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    if colons == 1 && punct.spacing() == Spacing::Alone {
                        self.end(&mut path);
                    }
                }
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end(&mut path);
                    }
                    path.push((ident.to_string(), ident.span().start().line));
                    colons = 0;
                }
                _ => {
                    self.end(&mut path);
                    colons = 0;
                }
            }
            if let TokenTree::Group(group) = token {
                self.tokens(group.stream());
            }
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Vec<(String, usize)>) {
        if let Some((_, line)) = path.first() {
            let line = *line;
            self.paths.push((path.drain(..).map(|(name, _)| name).collect(), line));
        }
    }
}

impl Visit<'_> for Collector {
    fn visit_item_use(&mut self, item: &ItemUse) {
        let private = uses_of(&item.clone().into()).into_iter().filter(|use_| !use_.is_public);
        self.paths.extend(private.map(|use_| (use_.path, use_.line)));
    }

    /// `pub(super)` is no import.
    fn visit_visibility(&mut self, _: &Visibility) {}

    fn visit_path(&mut self, path: &syn::Path) {
        if let Some(first) = path.segments.first() {
            let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.paths.push((names, first.ident.span().start().line));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }
}
