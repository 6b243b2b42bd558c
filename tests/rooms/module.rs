//! The modules of a crate: their files, what they define, and what they bring in by `use`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item, ItemMod, UseTree};

/// Names from the root of the crate: `["service", "govern", "limits"]`.
pub(crate) type ModulePath = Vec<String>;

pub(crate) struct Crate {
    pub modules: BTreeMap<ModulePath, Module>,
}

pub(crate) struct Module {
    /// Relative to the folder of the crate's root file.
    pub file: PathBuf,
    pub items: Vec<Item>,
    /// The modules in it, in the order in which they are declared.
    pub children: Vec<String>,
    pub defines: BTreeSet<String>,
    pub uses: Vec<Use>,
}

/// One name that a `use` brings in; `*` for a glob.
#[derive(Clone)]
pub(crate) struct Use {
    pub name: String,
    pub path: Vec<String>,
    pub line: usize,
    /// A re-export is no import of its own: it counts where the file, or another, uses the name.
    pub is_public: bool,
}

impl Crate {
    pub(crate) fn read(src: &Path) -> Self {
        let mut tree = Self { modules: BTreeMap::new() };
        tree.read_file(src, Path::new("lib.rs"), Path::new(""), Vec::new());
        tree
    }

    fn read_file(&mut self, src: &Path, file: &Path, folder: &Path, path: ModulePath) {
        let text = fs::read_to_string(src.join(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.read_items(src, file, folder, path, parsed.items);
    }

    fn read_items(&mut self, src: &Path, file: &Path, folder: &Path, path: ModulePath, items: Vec<Item>) {
        let items: Vec<_> = items.into_iter().filter(|item| !is_for_tests(attributes(item))).collect();
        let (inner, items): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| matches!(item, Item::Mod(_)));
        let inner: Vec<_> =
            inner.into_iter().filter_map(|item| if let Item::Mod(it) = item { Some(it) } else { None }).collect();
        let children = inner.iter().map(|module| module.ident.to_string()).collect();
        for ItemMod { ident, content, .. } in inner {
            let name = ident.to_string();
            let below = [path.clone(), vec![name.clone()]].concat();
            match content {
                Some((_, items)) => self.read_items(src, file, &folder.join(&name), below, items),
                None => self.read_file(src, &folder.join(format!("{name}.rs")), &folder.join(&name), below),
            }
        }
        let defines = items.iter().filter_map(name_of).collect();
        let uses = items.iter().flat_map(uses_of).collect();
        self.modules.insert(path, Module { file: file.to_owned(), items, children, defines, uses });
    }

    /// The module that defines what `path`, written in `from`, leads to.
    pub(crate) fn resolve(&self, from: &[String], path: &[String]) -> Option<ModulePath> {
        self.find(from, path, 0)
    }

    fn find(&self, from: &[String], path: &[String], depth: usize) -> Option<ModulePath> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => return self.descend(Vec::new(), rest, depth),
            "self" => return self.descend(from.to_vec(), rest, depth),
            "super" => return self.find(from.split_last()?.1, &[vec!["self".into()], rest.to_vec()].concat(), depth),
            _ => {}
        }
        // `self::super::x` and names without a prefix begin here.
        self.descend(from.to_vec(), path, depth)
    }

    fn descend(&self, at: ModulePath, rest: &[String], depth: usize) -> Option<ModulePath> {
        let module = self.modules.get(&at)?;
        let Some((name, rest)) = rest.split_first() else { return Some(at) };
        if name == "super" {
            return self.descend(at.split_last()?.1.to_vec(), rest, depth);
        }
        if module.children.contains(name) {
            return self.descend([at, vec![name.clone()]].concat(), rest, depth);
        }
        if module.defines.contains(name) {
            return Some(at);
        }
        if depth > 8 {
            return None;
        }
        let named = module.uses.iter().filter(|use_| use_.name == *name);
        let globs = module.uses.iter().filter(|use_| use_.name == "*");
        let named = named.map(|use_| [&use_.path, rest].concat());
        let globs = globs.map(|use_| [&use_.path, std::slice::from_ref(name), rest].concat());
        named.chain(globs).find_map(|path| self.find(&at, &path, depth + 1))
    }
}

/// Every name that `item` brings in, if it is a `use`.
pub(crate) fn uses_of(item: &Item) -> Vec<Use> {
    let Item::Use(item) = item else { return Vec::new() };
    let mut uses = Vec::new();
    let is_public = !matches!(item.vis, syn::Visibility::Inherited);
    flatten(&item.tree, Vec::new(), is_public, &mut uses);
    uses
}

fn flatten(tree: &UseTree, mut path: Vec<String>, is_public: bool, uses: &mut Vec<Use>) {
    let mut take = |path: Vec<String>, name: String, ident: proc_macro2::Span| {
        let line = ident.start().line;
        uses.push(Use { name, path, line, is_public });
    };
    match tree {
        UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            flatten(&tree.tree, path, is_public, uses);
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, path.clone(), is_public, uses)),
        UseTree::Glob(glob) => take(path, "*".into(), glob.star_token.spans[0]),
        UseTree::Name(tree) if tree.ident == "self" => {
            let name = path.last().cloned().unwrap_or_default();
            take(path, name, tree.ident.span());
        }
        UseTree::Name(tree) => {
            path.push(tree.ident.to_string());
            take(path, tree.ident.to_string(), tree.ident.span());
        }
        UseTree::Rename(tree) => {
            path.push(tree.ident.to_string());
            take(path, tree.rename.to_string(), tree.ident.span());
        }
    }
}

fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Code for tests, and code that lies outside `src`.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    let is_test = |attribute: &Attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|name| name == "test")
    };
    attributes.iter().any(|attribute| is_test(attribute) || attribute.path().is_ident("path"))
}
