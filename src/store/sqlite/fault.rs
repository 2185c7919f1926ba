//! Explains why a file cannot be opened as a database. SQLite says "unable to open database file" for
//! everything that can be wrong with a path.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

use super::location::Location;
use crate::store::StoreError;

/// `SQLITE_CANTOPEN`; extended codes have it in the low byte.
const CANNOT_OPEN: i32 = 14;
/// `SQLITE_NOTADB`.
const NO_DATABASE: i32 = 26;

/// The error of opening the database at `location`, with the path and, if it can be found, the reason.
pub(super) fn explained(location: &Location, error: StoreError) -> StoreError {
    let Location::File(path) = location else {
        return error;
    };
    let code = error.code().and_then(|code| code.parse::<i32>().ok());
    let reason = match code.map(|code| code & 0xff) {
        Some(NO_DATABASE) => Some("it is no SQLite database".to_owned()),
        Some(CANNOT_OPEN) => Some(of_path(path).unwrap_or_else(|| error.to_string())),
        _ => of_path(path),
    };
    match reason {
        Some(reason) => StoreError::Path {
            path: path.clone(),
            reason,
        },
        None => error,
    }
}

/// What is wrong with a path at which a file is to be created, read and written.
fn of_path(path: &Path) -> Option<String> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match fs::metadata(folder) {
        Ok(found) if !found.is_dir() => {
            return Some(format!("{} is no folder", folder.display()));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Some(format!("the folder {} does not exist", folder.display()));
        }
        Err(error) => return Some(format!("the folder {}: {error}", folder.display())),
        Ok(_) => {}
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Some("it is a directory".to_owned()),
        Ok(_) => File::open(path)
            .map_err(|error| format!("it cannot be read: {error}"))
            .and_then(|_| {
                OpenOptions::new()
                    .write(true)
                    .open(path)
                    .map_err(|error| format!("it cannot be written: {error}"))
            })
            .err(),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Migrations, connect, pending};

    #[tokio::test]
    async fn a_path_that_cannot_be_opened_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(
            &file,
            "no database, and longer than the header of one".repeat(10),
        )
        .unwrap();
        for (path, want) in [
            (folder.path().to_owned(), "it is a directory".to_owned()),
            (
                folder.path().join("missing/o.db"),
                format!(
                    "the folder {}/missing does not exist",
                    folder.path().display()
                ),
            ),
            (
                file.join("o.db"),
                format!("{} is no folder", file.display()),
            ),
            (file.clone(), "it is no SQLite database".to_owned()),
        ] {
            let url = format!("sqlite:{}", path.display());
            let opened = connect(&url, Migrations::Apply).await;
            let want = format!(
                "the SQLite database {} cannot be opened: {want}",
                path.display()
            );
            assert_eq!(opened.unwrap_err().to_string(), want);
            // A read-only command does not open a file that does not exist.
            if path.exists() {
                assert_eq!(pending(&url).await.unwrap_err().to_string(), want);
            }
        }
    }

    #[test]
    fn what_may_not_be_read_or_written_is_said() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("o.db");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
        // The root user may open every file.
        if File::open(&file).is_err() {
            let said = of_path(&file).unwrap();
            assert!(said.starts_with("it cannot be read: "), "{said}");
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(of_path(&file), None);
        assert_eq!(of_path(&folder.path().join("new.db")), None);
    }
}
