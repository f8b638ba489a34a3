//! `io.l5d.rewrite`: names that match a pattern become other names (routing.md §2.12).

use names::{NameTree, Path, PathPattern};

use crate::addr::Addr;
use crate::live::State;
use crate::namer::{Named, Namer, Reader};

/// The namer. Has no replicas of its own.
#[derive(Clone, Debug)]
pub struct Rewrite {
    pattern: PathPattern,
    name: Box<str>,
}

impl Rewrite {
    /// Turns what begins with `pattern` into `name`, in which every `{var}` of the pattern stands for what it captured.
    #[must_use]
    pub fn new(pattern: PathPattern, name: &str) -> Rewrite {
        Rewrite { pattern, name: name.into() }
    }
}

impl Namer for Rewrite {
    fn bind(&self, path: &Path, _: &mut dyn Reader) -> State<NameTree<Named>> {
        let Some(captures) = self.pattern.matches(path) else { return State::Ok(NameTree::Neg) };
        match Path::parse(captures.substitute(&self.name).as_bytes()) {
            Ok(path) => State::Ok(NameTree::Leaf(Named::Path(path))),
            Err(error) => State::failed(error.to_string()),
        }
    }

    fn addresses(&self, _: &Path, _: &mut dyn Reader) -> Addr {
        Addr::Neg
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namer::Untracked;

    #[test]
    fn patterns() {
        let check = |pattern: &str, name: &str, path: &str, expected: &str| {
            let namer = Rewrite::new(PathPattern::parse(pattern), name);
            let answer = match namer.bind(&path.parse().unwrap(), &mut Untracked) {
                State::Ok(NameTree::Leaf(Named::Path(path))) => path.to_string(),
                State::Ok(NameTree::Neg) => "~".into(),
                other => format!("{other:?}"),
            };
            assert_eq!(answer, expected, "{pattern} {name} {path}");
        };
        check("/{foo}/*/three", "/success/{foo}", "/one/two/three", "/success/one");
        check("/one/two", "/success", "/one/two/three", "/success");
        check("/{service}/api", "/srv/{service}", "/users/web", "~");
        check("/{service}/api", "/srv/{service}", "/users", "~");
        check("/{a}/*/{b}", "/{b}/{a}", "/x/y/z/rest", "/z/x");
        check("/{a}", "/x/{b}", "/x", "Failed(\"label char expected but '{' found at '/x/[{]b}'\")");
    }
}
