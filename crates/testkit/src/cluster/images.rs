//! The images of walkthroughs: our own binaries and the programs around them.
//!
//! Each is also known by the name the seeds' manifests have for what it stands for.

use super::image::Image;
use super::program::program;
use crate::process::{helloworld_binary, wayleave_binary};
use std::path::Path;

/// Who runs what needs no rights.
const NOBODY: &str = "65532:65532";

impl Image {
    /// The proxy, as the Dockerfile of `deploy/` makes it.
    #[must_use]
    pub fn wayleave() -> Image {
        Image::new("wayleave/wayleave:latest")
            .also("buoyantio/linkerd:1.4.6")
            .file(wayleave_binary(), "/usr/local/bin/wayleave")
            .entrypoint(&["/usr/local/bin/wayleave", "proxy"])
            .user(NOBODY)
    }

    /// The sample service, with a shell and curl for whoever looks around in a pod.
    #[must_use]
    pub fn helloworld() -> Image {
        Image::new("wayleave/helloworld:latest")
            .also("buoyantio/helloworld:0.1.6")
            .file(helloworld_binary(), "/usr/local/bin/helloworld")
            .entrypoint(&["helloworld"])
            .user(NOBODY)
            .with_shell()
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
        let folders =
            ["/usr/lib/nginx/modules", "/usr/share/nginx/modules-available", "/etc/nginx/mime.types"];
        let image = Image::new("wayleave/nginx:latest")
            .also("buoyantio/nginx:1.10.2")
            .file("/usr/sbin/nginx", "/usr/sbin/nginx")
            .entrypoint(&["nginx", "-g", "daemon off;"])
            .user(NOBODY)
            .with_shell();
        folders
            .into_iter()
            .filter(|path| Path::new(path).exists())
            .fold(image, |image, path| image.file(path, path))
    }

    /// A shell, curl and what is usual beside them.
    #[must_use]
    pub fn with_shell(self) -> Image {
        let tools = ["sleep", "cat", "env", "ls", "curl"];
        let with =
            |image: Image, name| image.file(Path::new("/usr/bin").join(name), &format!("/usr/bin/{name}"));
        tools.into_iter().fold(self.file("/bin/sh", "/bin/sh"), with)
    }
}
