//! The images of walkthroughs: our own binaries and the programs around them.
//!
//! Each is also known by the name the seeds' manifests have for what it stands for. `WAYLEAVE_IMAGES` names a folder of
//! archives that take the place of ours.

use super::image::Image;
use super::program::program;
use crate::process::{helloworld_binary, wayleave_binary};
use std::path::Path;

/// Who runs what needs no rights.
const NOBODY: &str = "65532:65532";

/// What tells a pod the address of its node.
const HOST_IP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../apps/helloworld/hostIP.sh");

impl Image {
    /// The proxy, as the Dockerfile of `deploy/` makes it.
    #[must_use]
    pub fn wayleave() -> Image {
        Image::new("wayleave/wayleave:latest").also("buoyantio/linkerd:1.4.6").built_or("wayleave", |image| {
            image
                .file(wayleave_binary(), "/usr/local/bin/wayleave")
                .entrypoint(&["/usr/local/bin/wayleave", "proxy"])
                .user(NOBODY)
        })
    }

    /// The sample service, with all that the seeds' manifests call in its image (sample-apps.md §1.6).
    #[must_use]
    pub fn helloworld() -> Image {
        let image = Image::new("wayleave/helloworld:latest").also("buoyantio/helloworld:0.1.6");
        image.built_or("helloworld", |image| {
            image
                .file(helloworld_binary(), "/usr/local/bin/helloworld")
                .file(HOST_IP, "/usr/local/bin/hostIP.sh")
                .entrypoint(&["helloworld"])
                .user(NOBODY)
                .with_shell()
                .tools(&["jq", "nslookup"])
        })
    }

    /// kubectl, whose `proxy` the seeds have beside each linkerd.
    ///
    /// # Panics
    /// When there is no bed, and so no kubectl.
    #[must_use]
    pub fn kubectl() -> Image {
        let kube = program().unwrap_or_else(|e| panic!("{e}"));
        Image::new("wayleave/kubectl:latest")
            .also("buoyantio/kubectl:v1.14.3")
            .file(kube, "/usr/local/bin/kube")
            .entrypoint(&["kube", "kubectl"])
            .user(NOBODY)
    }

    /// Debian's nginx with its modules.
    #[must_use]
    pub fn nginx() -> Image {
        Image::new("wayleave/nginx:latest").also("buoyantio/nginx:1.10.2").built_or("nginx", |image| {
            let folders =
                ["/usr/lib/nginx/modules", "/usr/share/nginx/modules-available", "/etc/nginx/mime.types"];
            let image = image
                .file("/usr/sbin/nginx", "/usr/sbin/nginx")
                .entrypoint(&["nginx", "-g", "daemon off;"])
                .user(NOBODY)
                .with_shell();
            let there = folders.into_iter().filter(|path| Path::new(path).exists());
            there.fold(image, |image, path| image.file(path, path))
        })
    }

    /// `NAME.tar` of the folder `WAYLEAVE_IMAGES`, where that is set (`.ci/images` fills one); made here otherwise.
    fn built_or(self, name: &str, make: impl FnOnce(Image) -> Image) -> Image {
        match std::env::var_os("WAYLEAVE_IMAGES") {
            Some(folder) => self.archive(Path::new(&folder).join(format!("{name}.tar"))),
            None => make(self),
        }
    }

    /// A shell, curl and what is usual beside them.
    #[must_use]
    pub fn with_shell(self) -> Image {
        self.file("/bin/sh", "/bin/sh").tools(&["sleep", "cat", "env", "ls", "curl"])
    }

    /// Programs of this machine's `/usr/bin`; what it does not have the image does not have either.
    fn tools(self, names: &[&str]) -> Image {
        let paths = names.iter().map(|name| format!("/usr/bin/{name}"));
        paths.filter(|path| Path::new(path).exists()).fold(self, |image, path| image.file(&path, &path))
    }
}
