//! Which kubeconfig files count: as for `kubectl`, those that `KUBECONFIG` lists and that are there, merged so that the
//! first word on anything wins; else the one at home.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::Found;

/// `None` when no file is meant; what is wrong with those that are.
pub(super) async fn kubeconfig() -> Option<Found> {
    let [named, home] = ["KUBECONFIG", "HOME"].map(std::env::var_os);
    Some(match files(named.as_deref(), home.as_deref())? {
        Ok(files) => config(&files).await,
        Err(why) => Err(why),
    })
}

/// The files that count, in their order.
///
/// # Errors
/// When `KUBECONFIG` lists files and none of them is there: somebody meant a cluster, and no other one may be taken for it.
fn files(named: Option<&OsStr>, home: Option<&OsStr>) -> Option<Result<Vec<PathBuf>, String>> {
    let listed = named.map(|named| std::env::split_paths(named).collect::<Vec<_>>()).unwrap_or_default();
    let mut listed: Vec<PathBuf> = listed.into_iter().filter(|path| !path.as_os_str().is_empty()).collect();
    if listed.is_empty() {
        let home = Path::new(home?).join(".kube/config");
        return home.exists().then(|| Ok(vec![home]));
    }
    let missing = format!("KUBECONFIG lists {}, and no such file exists: look at the paths", shown(&listed));
    // What is there and cannot be read is a fault, and what cannot be looked at counts as there.
    listed.retain(|path| path.try_exists().unwrap_or(true));
    Some(if listed.is_empty() { Err(missing) } else { Ok(listed) })
}

async fn config(files: &[PathBuf]) -> Found {
    let told = format!("kubeconfig {}", shown(files));
    let failed = |error: &dyn std::fmt::Display| format!("{told}: {error}");
    let mut all = Kubeconfig::default();
    for file in files {
        let one = Kubeconfig::read_from(file).map_err(|error| failed(&error))?;
        all = all.merge(one).map_err(|error| failed(&error))?;
    }
    let made = Config::from_custom_kubeconfig(all, &KubeConfigOptions::default()).await;
    made.map_err(|error| failed(&error)).map(|config| (config, told.clone()))
}

/// As `KUBECONFIG` lists them.
fn shown(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with the files `a` (a cluster), `b` (its user), `odd` (no kubeconfig) and, as the home, `home`.
    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Folder {
            let folder = Folder(tempfile::tempdir().unwrap());
            let write = |name: &str, text: &str| std::fs::write(folder.0.path().join(name), text).unwrap();
            write("a", "clusters: [{name: c, cluster: {server: 'http://a.example'}}]\n");
            let context = "{name: now, context: {cluster: c, user: u}}";
            write(
                "b",
                &format!("current-context: now\ncontexts: [{context}]\nusers: [{{name: u, user: {{}}}}]\n"),
            );
            write("other", "clusters: [{name: c, cluster: {server: 'http://other.example'}}]\n");
            write("odd", "clusters: 5\n");
            std::fs::create_dir_all(folder.0.path().join("home/.kube")).unwrap();
            write("home/.kube/config", "{}");
            folder
        }

        /// The text with `@` for the folder.
        fn at(&self, text: &str) -> String {
            text.replace('@', &format!("{}/", self.0.path().display()))
        }
    }

    #[test]
    fn files_that_count() {
        let folder = Folder::new();
        let check = |named: Option<&str>, home: Option<&str>, expected: Option<Result<&str, &str>>| {
            let [named, home] = [named, home].map(|text| text.map(|text| folder.at(text)));
            let found = files(named.as_deref().map(OsStr::new), home.as_deref().map(OsStr::new));
            let found = found.map(|found| found.map(|files| shown(&files)));
            let expected =
                expected.map(|text| text.map(|text| folder.at(text)).map_err(|text| folder.at(text)));
            assert_eq!(found, expected, "{named:?} {home:?}");
        };
        check(Some("@a"), None, Some(Ok("@a")));
        check(Some("@a:@b"), Some("@home"), Some(Ok("@a:@b")));
        // kubectl ignores files that are missing, and places in the list that are empty.
        check(Some("@none:@a::@gone:@b"), None, Some(Ok("@a:@b")));
        let none = "KUBECONFIG lists @none:@gone, and no such file exists: look at the paths";
        check(Some("@none:@gone"), Some("@home"), Some(Err(none)));
        // An empty list is none.
        for empty in [None, Some(""), Some(":"), Some("::")] {
            check(empty, Some("@home"), Some(Ok("@home/.kube/config")));
            check(empty, Some("@"), None);
            check(empty, None, None);
        }
    }

    #[tokio::test]
    async fn the_first_word_on_anything_wins() {
        let folder = Folder::new();
        let read = async |names: &[&str]| {
            let paths: Vec<PathBuf> = names.iter().map(|name| folder.0.path().join(name)).collect();
            config(&paths).await
        };
        for (names, server) in
            [(["a", "b", "other"], "http://a.example/"), (["other", "a", "b"], "http://other.example/")]
        {
            let (config, told) = read(&names).await.unwrap();
            assert_eq!(config.cluster_url.to_string(), server);
            assert!(told.starts_with("kubeconfig /") && told.contains("/b"), "{told}");
        }
        // What is there and is no kubeconfig is a fault, which names the files.
        let fault = read(&["a", "b", "odd"]).await.unwrap_err();
        assert!(fault.contains("/odd: "), "{fault}");
        let fault = read(&["a"]).await.unwrap_err();
        assert!(fault.contains("/a: "), "{fault}");
    }
}
