//! Names in the manifest's settings: of collections and of roles that there must be, or nothing comes of what is set.

use crate::catalog::place::child_pointer;
use crate::manifest::role::USUAL;
use crate::manifest::settings::Settings;
use crate::schema::explain::nearest;

/// What is wrong with them, as JSON Pointers within `manifest` and sentences.
pub(super) fn problems(settings: &Settings, collections: &[&str]) -> Vec<(String, String)> {
    let mut roles = USUAL.to_vec();
    roles.extend(settings.roles.keys().map(String::as_str));
    let of_collections = named_collections(settings).into_iter().filter(|(_, name)| !collections.contains(name));
    let of_roles = named_roles(settings).into_iter().filter(|(_, name)| !roles.contains(name));
    let private = settings.private.iter().enumerate().map(|(index, role)| (format!("/private/{index}"), role.as_str()));
    let of_private = private.filter(|(_, role)| *role != "*" && !roles.contains(role));

    let collection =
        |(at, name): (String, &str)| (at, format!("there is no collection {name:?}; {}", instead(name, collections)));
    let role = |(at, name): (String, &str)| {
        let what =
            format!("no file can have the role {name:?}: it is none of the usual ones and not in manifest.roles");
        (at, format!("{what}; {}", instead(name, &roles)))
    };
    of_collections.map(collection).chain(of_roles.chain(of_private).map(role)).collect()
}

fn named_collections(settings: &Settings) -> Vec<(String, &str)> {
    let exports = &settings.exports;
    let lists = [
        ("blender", exports.blender.as_ref().and_then(|export| export.collections.as_ref())),
        ("data_package", exports.data_package.as_ref().and_then(|export| export.collections.as_ref())),
        ("feed", exports.feed.as_ref().and_then(|export| export.collections.as_ref())),
        ("sitemap", exports.sitemap.as_ref().and_then(|export| export.collections.as_ref())),
    ];
    let of_listing =
        settings.listing.collections.keys().map(|name| (child_pointer("/listing/collections", name), name.as_str()));
    let of_exports = lists.into_iter().flat_map(|(export, names)| {
        let at = move |index| format!("/exports/{export}/collections/{index}");
        names.into_iter().flatten().enumerate().map(move |(index, name)| (at(index), name.as_str()))
    });
    of_listing.chain(of_exports).collect()
}

fn named_roles(settings: &Settings) -> Vec<(String, &str)> {
    let listing = &settings.listing;
    let mut all = vec![("/listing/image".to_owned(), listing.fields.image.as_ref())];
    let own = listing.collections.iter();
    all.extend(own.map(|(name, fields)| {
        (format!("{}/image", child_pointer("/listing/collections", name)), fields.image.as_ref())
    }));
    all.push((
        "/exports/blender/role".to_owned(),
        settings.exports.blender.as_ref().and_then(|export| export.role.as_ref()),
    ));
    all.into_iter().filter_map(|(at, role)| Some((at, role?.as_str()))).collect()
}

fn instead(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => {
            let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
            format!("known are {}", known.join(", "))
        }
    }
}
