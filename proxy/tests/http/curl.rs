//! The commands of the README, with curl.

use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::Documents;

use crate::start;

/// Runs curl in `folder`; its output.
fn curl(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output =
        Command::new("curl").args(["--silent", "--show-error"]).args(arguments).current_dir(folder).output();
    let output = output.expect("curl is there");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn what_the_readme_says_works() {
    let proxy = start();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut documents = Documents::new(14);
    let (thesis, photo) = (documents.random(1_500_000), documents.random(40_000));
    fs::write(folder.join("thesis.pdf"), &thesis).unwrap();
    fs::write(folder.join("photo.jpg"), &photo).unwrap();
    let url = |path: &str| format!("http://{}{path}", proxy.address());
    let named = url("/papers/thesis.pdf");
    let put = curl(folder, &["-X", "PUT", "--upload-file", "thesis.pdf", &named]);
    assert_eq!(put, b"papers/thesis.pdf");
    curl(folder, &[&named, "--output", "copy.pdf"]);
    assert!(fs::read(folder.join("copy.pdf")).unwrap() == thesis);
    let meta: serde_json::Value =
        serde_json::from_slice(&curl(folder, &[&url("/papers/thesis.pdf/__meta")])).unwrap();
    assert_eq!(meta["path"], "papers/thesis.pdf");
    let listing: serde_json::Value = serde_json::from_slice(&curl(folder, &[&url("/")])).unwrap();
    assert_eq!(listing["files"][0]["path"], "papers/thesis.pdf");
    assert_eq!(listing["files"][0]["content_type"], "application/pdf");
}

#[test]
fn curl_names_a_file_put_to_a_folder_after_itself() {
    let proxy = start();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("photo.jpg"), b"photo").unwrap();
    let root = format!("http://{}/", proxy.address());
    // curl completes a URL that ends in a slash with the file's name; what is asked for is /photo.jpg.
    assert_eq!(curl(folder, &["-X", "PUT", "--upload-file", "photo.jpg", &root]), b"photo.jpg");
    // Told not to, by a body that comes from nowhere in particular, it asks for / and is given a name.
    let uuid = curl(folder, &["-X", "PUT", "--data-binary", "@photo.jpg", &root]);
    let uuid = String::from_utf8(uuid).unwrap();
    assert_eq!(uuid.len(), 36, "{uuid}");
    assert_eq!(curl(folder, &[&format!("{root}{uuid}")]), b"photo");
}
