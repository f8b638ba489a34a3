//! Container images without a registry: programs of this machine with the libraries they need, as one layer.

use super::program::run;
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What goes into an image.
#[derive(Clone, Debug)]
pub struct Image {
    names: Vec<String>,
    /// From a path of this machine to one in the image.
    files: Vec<(PathBuf, String)>,
    entrypoint: Vec<String>,
    user: String,
    /// One that is there already takes the place of all that.
    archive: Option<PathBuf>,
}

impl Image {
    /// An empty one of a name with its tag (`wayleave/wayleave:latest`), run as root.
    #[must_use]
    pub fn new(name: &str) -> Image {
        Image {
            names: vec![name.to_owned()],
            files: Vec::new(),
            entrypoint: Vec::new(),
            user: String::new(),
            archive: None,
        }
    }

    /// One more name for the same.
    #[must_use]
    pub fn also(mut self, name: &str) -> Image {
        self.names.push(name.to_owned());
        self
    }

    /// A program of this machine, or any other file, and the libraries it is linked with.
    #[must_use]
    pub fn file(mut self, here: impl AsRef<Path>, there: &str) -> Image {
        self.files.push((here.as_ref().to_owned(), there.to_owned()));
        self
    }

    /// What is run; a pod's `args` come after it.
    #[must_use]
    pub fn entrypoint(mut self, words: &[&str]) -> Image {
        self.entrypoint = words.iter().map(|w| (*w).to_owned()).collect();
        self
    }

    /// Who runs it: `65532:65532`.
    #[must_use]
    pub fn user(mut self, user: &str) -> Image {
        user.clone_into(&mut self.user);
        self
    }

    /// An archive of one image as `docker save` writes it, under the names given here instead of its own.
    #[must_use]
    pub fn archive(mut self, tar: impl Into<PathBuf>) -> Image {
        self.archive = Some(tar.into());
        self
    }

    /// Writes it as `docker save` would.
    ///
    /// # Errors
    /// Which step failed, with what was said.
    pub(super) fn save(&self, tar: &Path) -> Result<(), String> {
        let work = tar.with_extension("work");
        if let Some(archive) = &self.archive {
            return self.rename(archive, tar, &work);
        }
        let (root, layer) = (work.join("root"), work.join("layer.tar"));
        fs::create_dir_all(&root).map_err(|e| failed(&root, &e))?;
        self.fill(&root)?;
        pack(&layer, &root, &["."])?;
        let sum = run("sha256sum", [&layer])?;
        let sum = sum.split(' ').next().unwrap_or_default();
        let config = json!({
            "architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z",
            "config": self.configuration(),
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{sum}")]},
            "history": [{"created": "2026-01-01T00:00:00Z"}],
        });
        let manifest = json!([{"Config": "config.json", "RepoTags": self.names, "Layers": ["layer.tar"]}]);
        for (file, value) in [("config.json", config), ("manifest.json", manifest)] {
            fs::write(work.join(file), value.to_string()).map_err(|e| failed(&work, &e))?;
        }
        pack(tar, &work, &["manifest.json", "config.json", "layer.tar"])?;
        fs::remove_dir_all(&work).map_err(|e| failed(&work, &e))
    }

    /// Writes an archive that is there once more, with the names of this image.
    fn rename(&self, archive: &Path, tar: &Path, work: &Path) -> Result<(), String> {
        fs::create_dir_all(work).map_err(|e| failed(work, &e))?;
        run("tar", ["-xf".as_ref(), archive.as_os_str(), "-C".as_ref(), work.as_os_str()])?;
        let file = work.join("manifest.json");
        let text = fs::read(&file).map_err(|e| failed(&file, &e))?;
        let mut manifest: Value =
            serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        manifest[0]["RepoTags"] = json!(self.names);
        fs::write(&file, manifest.to_string()).map_err(|e| failed(&file, &e))?;
        pack(tar, work, &["."])?;
        fs::remove_dir_all(work).map_err(|e| failed(work, &e))
    }

    fn configuration(&self) -> Value {
        json!({
            "Entrypoint": self.entrypoint, "User": self.user, "WorkingDir": "/",
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        })
    }

    fn fill(&self, root: &Path) -> Result<(), String> {
        for (here, there) in &self.files {
            copy(here, &root.join(there.trim_start_matches('/')))?;
            for library in libraries(here) {
                copy(&library, &root.join(library.strip_prefix("/").unwrap_or(&library)))?;
            }
        }
        let (etc, tmp) = (root.join("etc"), root.join("tmp"));
        fs::create_dir_all(&etc).and_then(|()| fs::create_dir_all(&tmp)).map_err(|e| failed(root, &e))?;
        fs::set_permissions(&tmp, fs::Permissions::from_mode(0o1777)).map_err(|e| failed(&tmp, &e))?;
        let users = "root:x:0:0:root:/:/bin/sh\nnonroot:x:65532:65532:nonroot:/:/bin/sh\n";
        fs::write(etc.join("passwd"), users).map_err(|e| failed(&etc, &e))?;
        fs::write(etc.join("group"), "root:x:0:\nnonroot:x:65532:\n").map_err(|e| failed(&etc, &e))
    }
}

fn failed(what: &Path, error: &io::Error) -> String {
    format!("{}: {error}", what.display())
}

/// Copies a file with its permissions, or a folder with all there is in it.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let parent = to.parent().expect("a file of an image is below its root");
    fs::create_dir_all(parent).map_err(|e| failed(parent, &e))?;
    run("cp", ["-rLT".as_ref(), from.as_os_str(), to.as_os_str()]).map(drop)
}

/// The libraries a program is linked with, its loader included; none where it is static or no program.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let Ok(said) = run("ldd", [program]) else { return Vec::new() };
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    said.lines().filter_map(path).collect()
}

/// The same files make the same archive.
fn pack(tar: &Path, folder: &Path, names: &[&str]) -> Result<(), String> {
    let same =
        ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "-cf"].map(str::to_owned);
    let places = [tar.display().to_string(), "-C".to_owned(), folder.display().to_string()];
    run("tar", same.into_iter().chain(places).chain(names.iter().map(|n| (*n).to_owned()))).map(drop)
}
