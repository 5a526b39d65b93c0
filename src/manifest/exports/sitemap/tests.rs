//! Sitemaps of few and of too many pages.

use super::*;

fn addresses(count: usize) -> Vec<Address> {
    let of = |index| Address {
        xml: format!("<url><loc>https://example.com/{index}</loc></url>\n"),
        date: Some(format!("2026-11-{:02}", index % 28 + 1)),
    };
    (0..count).map(of).collect()
}

fn locations(xml: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(xml).unwrap();
    let all = document.descendants().filter(|node| node.tag_name().name() == "loc");
    all.map(|node| node.text().unwrap().to_owned()).collect()
}

#[test]
fn more_pages_than_a_sitemap_may_have_are_divided() {
    let parts = sitemaps(&addresses(25), 10, BYTES);
    assert_eq!(parts.iter().map(|part| locations(&part.xml).len()).collect::<Vec<_>>(), [10, 10, 5]);
    assert_eq!(parts[2].newest.as_deref(), Some("2026-11-25"));
}

#[test]
fn a_sitemap_stays_below_its_size() {
    let most = HEAD.len() + TAIL.len() + 100;
    let parts = sitemaps(&addresses(9), 10, most);
    assert!(parts.len() > 3 && parts.iter().all(|part| part.xml.len() <= most));
    assert_eq!(parts.iter().map(|part| locations(&part.xml).len()).sum::<usize>(), 9);
}

#[test]
fn no_pages_make_an_empty_sitemap() {
    assert!(sitemaps(&[], 10, BYTES).is_empty());
}

#[test]
fn several_sitemaps_have_an_index_with_their_addresses() {
    let files = written(sitemaps(&addresses(25), 10, BYTES), Some("https://example.com/m/"));
    let (index, parts) = files.split_first().unwrap();
    assert_eq!((index.0.as_str(), parts.len()), ("sitemap.xml", 3));
    let index = String::from_utf8(index.1.clone()).unwrap();
    let wanted: Vec<_> = parts.iter().map(|(name, _)| format!("https://example.com/m/{name}")).collect();
    assert_eq!(locations(&index), wanted);
    assert!(index.contains("<lastmod>2026-11-10</lastmod>"));
}

#[test]
fn without_an_address_several_sitemaps_stand_beside_each_other() {
    let files = written(sitemaps(&addresses(25), 10, BYTES), None);
    assert_eq!(files[0].0, "sitemap.xml");
    let counts: Vec<_> = files.iter().map(|(_, xml)| locations(std::str::from_utf8(xml).unwrap()).len()).collect();
    assert_eq!(counts, [10, 10, 5]);
}

#[test]
fn no_page_has_an_index() {
    let files = written(Vec::new(), Some("https://example.com/"));
    assert!(files.len() == 1 && locations(std::str::from_utf8(&files[0].1).unwrap()).is_empty());
}
