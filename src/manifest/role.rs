//! What a file is to its asset.

use globset::{GlobBuilder, GlobMatcher};

use super::settings::Settings;
use crate::ids::RepoPath;

/// How a picture's name begins that shows the asset as a whole.
const THUMBNAILS: [&str; 4] = ["icon", "thumb", "cover", "poster"];

/// The roles of files that no rule names, one for each kind.
pub const USUAL: [&str; 6] = ["thumbnail", "image", "model", "video", "text", "file"];

/// The roles that a library gives to its files.
#[derive(Debug)]
pub struct Roles {
    rules: Vec<(GlobMatcher, String)>,
}

impl Roles {
    /// The roles of these settings; a glob that is none is told of where the settings are checked.
    pub fn new(settings: &Settings) -> Self {
        let of = |(role, globs): (&String, &Vec<String>)| {
            let made: Vec<_> = globs.iter().filter_map(|glob| Some((matcher(glob).ok()?, role.clone()))).collect();
            made
        };
        Self { rules: settings.roles.iter().flat_map(of).collect() }
    }

    /// The role of a file: of the first rule that its name matches, in the order of the roles' names, else by its media type.
    pub fn of(&self, path: &RepoPath, media_type: &str) -> String {
        let name = path.file_name();
        if let Some((_, role)) = self.rules.iter().find(|(glob, _)| glob.is_match(name)) {
            return role.clone();
        }
        let lower = name.to_lowercase();
        let usual = match media_type.split('/').next().unwrap_or_default() {
            "image" if THUMBNAILS.iter().any(|word| lower.starts_with(word)) => "thumbnail",
            "image" => "image",
            "video" => "video",
            "text" => "text",
            "model" => "model",
            _ if media_type == "application/x-blender" => "model",
            _ => "file",
        };
        usual.to_owned()
    }
}

/// A glob over names of files.
pub fn matcher(glob: &str) -> Result<GlobMatcher, globset::Error> {
    Ok(GlobBuilder::new(glob).literal_separator(true).build()?.compile_matcher())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::files::media_type;

    #[test]
    fn a_file_has_the_role_that_a_rule_gives_it_else_that_of_its_kind() {
        let roles = [("source", vec!["*.blend", "*_src.*"]), ("preview", vec!["preview_*.png"])];
        let roles =
            roles.into_iter().map(|(role, globs)| (role.to_owned(), globs.into_iter().map(Into::into).collect()));
        let settings = Settings { roles: roles.collect(), ..Settings::default() };
        let of = |settings: &Settings, path: &str| Roles::new(settings).of(&RepoPath::new(path), media_type(path));
        assert_eq!(of(&settings, "Bolt/Bolt.blend"), "source");
        assert_eq!(of(&settings, "Bolt/preview_1.png"), "preview");
        let usual = Settings::default();
        for (path, role) in [
            ("Bolt/Icon_Bolt.PNG", "thumbnail"),
            ("Bolt/preview_1.png", "image"),
            ("Bolt/Bolt.blend", "model"),
            ("Bolt/Bolt.glb", "model"),
            ("Bolt/Bolt_desc.md", "text"),
            ("Bolt/turn.mp4", "video"),
            ("Bolt/all.zip", "file"),
        ] {
            assert_eq!(of(&usual, path), role, "{path}");
            assert!(USUAL.contains(&role), "{role}");
        }
    }
}
