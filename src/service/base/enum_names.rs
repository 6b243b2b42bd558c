//! The names that the values of an enum have outside: in the database, on routes, in settings and in metrics.

/// Gives an enum `ALL`, `as_str` and `parse` from one list of names. A list that leaves a variant out does not compile.
macro_rules! enum_names {
    ($of:ident { $($variant:ident = $name:literal),+ $(,)? }) => {
        #[allow(dead_code, unreachable_pub, reason = "not every enum needs all three, and some are not public")]
        impl $of {
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The name of the value outside.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }

            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use enum_names;
