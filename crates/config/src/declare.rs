//! The declaration macros: one declaration gives the Rust type, its decoding, merging, and everything the reference and
//! the schema will say about it.

/// Declares an object of the configuration.
///
/// ```
/// config::config! {
///     /// How retries are limited.
///     pub struct Budget {
///         /// Retries per second that are always allowed.
///         min_retries_per_sec "minRetriesPerSec": u32 = "10", example "5";
///         /// What the budget is called.
///         name "name": String;                      // required
///         /// Who asked for it.
///         owner "owner": Option<String>, example "ops";
///     }
///     later { "ttlSecs" }                           // known, not built: refused with a line that says so
///     only {                                        // known, built with this value only
///         /// Whether somebody is told.
///         "loud": bool = "false";
///     }
///     former { "engine" until "1.3.0" => "there is one engine" }        // ignored with a warning
/// }
/// let budget: Budget = config::from_fragment("{name: a}").expect("a budget");
/// assert_eq!((budget.min_retries_per_sec, budget.owner), (10, None));
/// ```
///
/// Defaults and examples are YAML texts, read by the same decoder as documents. `, from 1 to 60` gives bounds to the
/// schema and the reference, `, check f` holds documents to them: it runs `fn f(value: &T) -> Result<(), String>` on a
/// decoded value, and the text becomes a fault at the value. `, missing "text"` is what is said when a required key is not there. A default outside its bounds makes the key required. A doc
/// comment that begins with "Accepted without effect:" says why the key does nothing; such keys are listed. `rule f;` at the
/// end runs `fn f(value: &Budget, places: Places, cx: &mut Context) -> Option<()>`, which records its own faults.
///
/// Keys that several declarations share are declared once, as an object of their own without a rule. `first { at: Address }` adds
/// those of the object `Address` before the other keys and `last { at: Address }` behind them; their values are in the field `at`.
///
/// ```
/// config::config! {
///     /// Where a server is.
///     pub struct Address {
///         /// Its port.
///         port "port": u16, example "80";
///     }
/// }
/// config::config! {
///     /// A server that has a name.
///     pub struct Named {
///         /// The name.
///         name "name": String, example "web";
///     }
///     first { at: Address }
/// }
/// let named: Named = config::from_fragment("{port: 80, name: web}").expect("a server");
/// assert_eq!(named.at.port, 80);
/// ```
///
/// `pub scope struct` makes every field an `Option` (was the key there?), gives each field with a default a method
/// of the same name for the effective value, and implements [`Scope`](crate::Scope): merging key by key.
#[macro_export]
macro_rules! config {
    (
        $(#[doc = $doc:expr])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $field_doc:expr])*
                $field:ident $key:literal : $ty:ty $(= $default:literal)? $(, from $min:literal $(to $max:literal)?)?
                    $(, check $check:path)? $(, missing $missing:literal)? $(, example $example:literal)? ;
            )*
        }
        $(first { $($before:ident : $before_ty:ty),* $(,)? })?
        $(last { $($after:ident : $after_ty:ty),* $(,)? })?
        $(later { $($later:literal),* $(,)? })?
        $(only { $($(#[doc = $only_doc:expr])* $only:literal : $only_ty:ty = $only_default:literal;)* })?
        $(former { $($former:literal until $until:literal => $reason:literal),* $(,)? })?
        $(rule $rule:path;)?
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name {
            $($(#[doc = concat!("Keys that others have, too: [`", stringify!($before_ty), "`].")] pub $before: $before_ty,)*)?
            $($(#[doc = $field_doc])* pub $field: $ty,)*
            $($(#[doc = concat!("Keys that others have, too: [`", stringify!($after_ty), "`].")] pub $after: $after_ty,)*)?
        }

        impl $crate::Declared for $name {
            const META: &'static $crate::ObjectMeta = &$crate::ObjectMeta {
                name: stringify!($name),
                doc: &[$($doc),*],
                keys: {
                    const PARTS: &[&[$crate::KeyMeta]] = &[
                        $($(<$before_ty as $crate::Declared>::META.keys,)*)?
                        &[$($crate::config!(@key $key : $ty, [$($field_doc),*] [$($default)?] [$($example)?]
                            [$($min $(, $max)?)?] [$($check)?] $crate::config!(@required $ty $(, $default)?))),*],
                        $($(<$after_ty as $crate::Declared>::META.keys,)*)?
                    ];
                    const KEYS: [$crate::KeyMeta; $crate::counted(PARTS)] = $crate::joined(PARTS);
                    &KEYS
                },
                later: &[$($($later),*)?],
                only: $crate::config!(@only $($([$($only_doc),*] $only : $only_ty = $only_default;)*)?),
                former: &[$($($crate::FormerMeta { key: $former, until: $until, reason: $reason }),*)?],
            };

            #[allow(unused_variables)]
            fn decode_keys(object: &mut $crate::Object<'_>, cx: &mut $crate::Context) -> Option<$name> {
                $($(let $before = <$before_ty as $crate::Declared>::decode_keys(object, cx);)*)?
                $(
                    let $field =
                        object.field::<$ty>($key, $crate::config!(@option $($default)?), $crate::config!(@option $($missing)?), cx);
                    $(let $field = object.checked::<$name, _>($key, $field, $check, cx);)?
                )*
                $($(let $after = <$after_ty as $crate::Declared>::decode_keys(object, cx);)*)?
                Some($name { $($($before: $before?,)*)? $($field: $field?,)* $($($after: $after?,)*)? })
            }

            $(
                fn check(&self, places: $crate::Places<'_>, cx: &mut $crate::Context) -> Option<()> {
                    $rule(self, places, cx)
                }
            )?
        }

        $crate::config!(@decode $name);
    };

    (
        $(#[doc = $doc:expr])*
        $vis:vis scope struct $name:ident {
            $(
                $(#[doc = $field_doc:expr])*
                $field:ident $key:literal : $ty:ty $(= $default:literal)? $(, from $min:literal $(to $max:literal)?)?
                    $(, check $check:path)? $(, example $example:literal)? ;
            )*
        }
        $(later { $($later:literal),* $(,)? })?
        $(only { $($(#[doc = $only_doc:expr])* $only:literal : $only_ty:ty = $only_default:literal;)* })?
        $(former { $($former:literal until $until:literal => $reason:literal),* $(,)? })?
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        $vis struct $name {
            $($(#[doc = $field_doc])* pub $field: Option<$ty>,)*
        }

        impl $name {
            $($crate::config!(@getter $field $ty $(, $default)?);)*
        }

        impl $crate::Declared for $name {
            const META: &'static $crate::ObjectMeta = &$crate::ObjectMeta {
                name: stringify!($name),
                doc: &[$($doc),*],
                keys: &[$($crate::config!(@key $key : $ty, [$($field_doc),*] [$($default)?] [$($example)?]
                    [$($min $(, $max)?)?] [$($check)?] || false)),*],
                later: &[$($($later),*)?],
                only: $crate::config!(@only $($([$($only_doc),*] $only : $only_ty = $only_default;)*)?),
                former: &[$($($crate::FormerMeta { key: $former, until: $until, reason: $reason }),*)?],
            };

            fn decode_keys(object: &mut $crate::Object<'_>, cx: &mut $crate::Context) -> Option<$name> {
                $(
                    let $field = object.field::<Option<$ty>>($key, None, None, cx);
                    $(let $field = match $field {
                        Some(Some(value)) => object.checked::<$name, _>($key, Some(value), $check, cx).map(Some),
                        other => other,
                    };)?
                )*
                Some($name { $($field: $field?),* })
            }
        }

        impl $crate::Scope for $name {
            fn merge(&mut self, later: &$name) {
                $(if later.$field.is_some() { self.$field.clone_from(&later.$field); })*
            }
        }

        $crate::config!(@decode $name);
    };

    (@key $key:literal : $ty:ty, [$($doc:expr),*] [$($default:literal)?] [$($example:literal)?]
        [$($min:literal $(, $max:literal)?)?] [$($check:path)?] $required:expr) => {
        $crate::KeyMeta {
            key: $key,
            doc: &[$($doc),*],
            ty: <$ty as $crate::Decode>::describe,
            default: $crate::config!(@option $($default)?),
            example: $crate::config!(@option $($example)?),
            bounds: $crate::config!(@bounds $($min $(, $max)?)?),
            required: $required,
            check_example: |text| {
                let _value = $crate::from_fragment::<$ty>(text)?;
                $($check(&_value)?;)?
                Ok(())
            },
        }
    };
    (@only $([$($doc:expr),*] $key:literal : $ty:ty = $default:literal;)*) => {
        &[$($crate::OnlyMeta {
            key: $key,
            doc: &[$($doc),*],
            ty: <$ty as $crate::Decode>::describe,
            default: $default,
            is_default: |node, cx| {
                let value = <$ty as $crate::Decode>::decode(node, cx)?;
                Some(value == $crate::default_of::<$ty>($default))
            },
        }),*]
    };
    (@decode $name:ident) => {
        impl $crate::Decode for $name {
            fn describe() -> $crate::Type {
                $crate::Type::Object(<$name as $crate::Declared>::META)
            }

            fn decode(node: &$crate::Node, cx: &mut $crate::Context) -> Option<$name> {
                let object = $crate::Object::new(node, &<$name as $crate::Decode>::describe(), cx)?;
                <$name as $crate::Declared>::decode_object(object, cx)
            }
        }
    };

    (@option) => { None };
    (@option $value:literal) => { Some($value) };

    (@bounds) => { None };
    (@bounds $min:literal) => { Some($crate::Bounds { min: $min, max: None }) };
    (@bounds $min:literal, $max:literal) => { Some($crate::Bounds { min: $min, max: Some($max) }) };

    (@required $ty:ty) => { || <$ty as $crate::Decode>::absent().is_none() };
    (@required $ty:ty, $default:literal) => { || false };

    (@getter $field:ident $ty:ty) => {};
    (@getter $field:ident $ty:ty, $default:literal) => {
        /// The value in effect: what the document says, or the default.
        pub fn $field(&self) -> $ty {
            self.$field.clone().unwrap_or_else(|| $crate::default_of($default))
        }
    };
}

/// Declares a plugin family: an enum over the kinds, each with a struct declared with [`config!`](crate::config).
///
/// ```
/// config::config! {
///     /// Nothing to set.
///     pub struct Never {}
/// }
/// config::kinds! {
///     /// When a replica is left alone.
///     pub enum Accrual: "failure accrual", key "kind", default "none" {
///         "none" => Never(Never),
///     }
///     later { "io.l5d.successRate" }
/// }
/// assert!(config::from_fragment::<Accrual>("{kind: io.l5d.successRate}").is_err());
/// ```
#[macro_export]
macro_rules! kinds {
    (
        $(#[doc = $doc:expr])*
        $vis:vis enum $name:ident : $noun:literal, key $discriminator:literal $(, default $default:literal)? {
            $($(#[doc = $kind_doc:expr])* $kind:literal => $variant:ident($object:ty)),* $(,)?
        }
        $(later { $($later:literal),* $(,)? })?
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq)]
        $vis enum $name {
            $(#[doc = concat!("`", $kind, "`")] $variant($object),)*
        }

        impl $name {
            /// The family's table.
            pub const FAMILY: &'static $crate::FamilyMeta = &$crate::FamilyMeta {
                noun: $noun,
                doc: &[$($doc),*],
                discriminator: $discriminator,
                default: $crate::config!(@option $($default)?),
                kinds: &[$($crate::KindMeta {
                    kind: $kind,
                    doc: &[$($kind_doc),*],
                    object: <$object as $crate::Declared>::META,
                }),*],
                later: &[$($($later),*)?],
            };

            /// The kind as documents write it.
            pub fn kind(&self) -> &'static str {
                match self {
                    $($name::$variant(_) => $kind,)*
                }
            }
        }

        impl $crate::Decode for $name {
            fn describe() -> $crate::Type {
                $crate::Type::Family($name::FAMILY)
            }

            fn decode(node: &$crate::Node, cx: &mut $crate::Context) -> Option<$name> {
                let mut object = $crate::Object::new(node, &<$name as $crate::Decode>::describe(), cx)?;
                match object.kind($name::FAMILY, cx)? {
                    $($kind => <$object as $crate::Declared>::decode_object(object, cx).map($name::$variant),)*
                    _ => None,
                }
            }
        }
    };
}
