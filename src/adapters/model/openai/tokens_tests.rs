use proptest::prelude::*;

use super::*;

/// Texts, and how many tokens each has with OpenAI's tokenizer (cl100k_base, counted with gpt-tokenizer 3 for Node).
const COUNTED: &[(&str, u64)] = &[
    (
        "Stockroom turns a repository of assets into a database that others can build on. It validates every metadata record against the versioned schema that the record names, and the files beside it, and publishes a static manifest of all assets.",
        46,
    ),
    (
        "Die Donaudampfschifffahrtsgesellschaft veröffentlichte gestern außergewöhnliche Geschäftsergebnisse; Rechtsschutzversicherungsgesellschaften und Straßenbahnhaltestellen bleiben davon unberührt. Ein Schraubenschlüssel mit verchromter Oberfläche.",
        75,
    ),
    (
        "Cette clé à molette chromée convient aux écrous hexagonaux; l'utilisateur vérifiera l'état de la surface avant chaque opération, été comme hiver, où qu'il soit.",
        43,
    ),
    (
        "La colección incluye más de trescientos modelos tridimensionales de tornillería, engranajes y mecanismos diseñados para animación y videojuegos.",
        38,
    ),
    (
        "Zażółć gęślą jaźń, a następnie sprawdź, czy wszystkie części mechanizmu są prawidłowo zamontowane i czy śruby zostały dokręcone.",
        48,
    ),
    ("Příliš žluťoučký kůň úpěl ďábelské ódy, zatímco řemeslník důkladně kontroloval šrouby.", 53),
    (
        "Bộ sưu tập này gồm hơn ba trăm mô hình ba chiều của các loại ốc vít, bánh răng và cơ cấu được thiết kế cho hoạt hình.",
        57,
    ),
    (
        "Koleksiyonda animasyon ve video oyunları için tasarlanmış üç yüzden fazla üç boyutlu cıvata, dişli ve mekanizma modeli bulunuyor.",
        51,
    ),
    (
        "Kokoelmassa on yli kolmesataa kolmiulotteista ruuvia, hammaspyörää ja mekanismia, jotka on suunniteltu animaatioita varten.",
        46,
    ),
    (
        "A gyűjtemény több mint háromszáz háromdimenziós csavart, fogaskereket és szerkezetet tartalmaz, amelyeket animációhoz terveztek.",
        49,
    ),
    (
        "Коллекция включает более трёхсот трёхмерных моделей болтов, шестерён и механизмов, предназначенных для анимации и видеоигр.",
        60,
    ),
    ("Η συλλογή περιλαμβάνει περισσότερα από τριακόσια τρισδιάστατα μοντέλα βιδών, γραναζιών και μηχανισμών.", 95),
    ("האוסף כולל יותר משלוש מאות דגמים תלת ממדיים של ברגים, גלגלי שיניים ומנגנונים המיועדים להנפשה.", 91),
    ("تتضمن المجموعة أكثر من ثلاثمائة نموذج ثلاثي الأبعاد من البراغي والتروس والآليات المصممة للرسوم المتحركة.", 77),
    ("इस संग्रह में एनीमेशन और वीडियो गेम के लिए बनाए गए बोल्ट, गियर और तंत्र के तीन सौ से अधिक त्रि-आयामी मॉडल शामिल हैं।", 117),
    ("คอลเลกชันนี้มีโมเดลสามมิติของสลักเกลียว เฟือง และกลไกมากกว่าสามร้อยแบบที่ออกแบบมาสำหรับแอนิเมชัน", 89),
    ("该系列包含三百多个螺栓、齿轮和机械装置的三维模型，专为动画和电子游戏而设计。鼯鼠、魑魅魍魉。", 68),
    (
        "このコレクションには、アニメーションやビデオゲーム向けに設計されたボルト、歯車、機構の三次元モデルが三百以上含まれています。",
        69,
    ),
    (
        "이 컬렉션에는 애니메이션과 비디오 게임을 위해 설계된 볼트, 기어, 기계 장치의 삼차원 모델이 삼백 개 이상 포함되어 있습니다.",
        66,
    ),
    ("🔩⚙️🛠️ 👨‍👩‍👧‍👦 🇩🇪🇯🇵 👍🏽 🧑🏿‍🚀✨🎉🔥💯🥸🫠", 72),
    (
        "fn embed<'a>(&self, texts: &[&'a str]) -> Result<Vec<Vec<f32>>, ModelError> {\n    texts.iter().map(|t| self.vector(t)).collect::<Result<_, _>>()?;\n}\n",
        47,
    ),
    (
        "<div class=\"grid grid-cols-3 gap-4 md:grid-cols-6\"><a href=\"https://example.com/a?b=1&c=%20x\" rel=\"noopener\">Bolt&nbsp;M8</a></div>",
        51,
    ),
    ("<path d=\"M12.5 3.25a1 1 0 0 1 .5.87v15.76a1 1 0 0 1-1.5.87L3.4 12.9a1 1 0 0 1 0-1.8z\"/>", 71),
    (
        "{\"id\":\"GHSA-4w2v-q235-vp99\",\"aliases\":[\"CVE-2020-28168\"],\"severity\":[{\"type\":\"CVSS_V3\",\"score\":\"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:L/A:N\"}]}",
        65,
    ),
    ("| name | size | 价格 |\n|---|---:|:--|\n| bolt | 8 mm | ¥12 |\n| nut | 3/8\" | €0,50 |\n", 41),
    ("BLT-M8X40-A2 SKU_00412 XQZ-7781 ISO4017 DIN933 A4-80 WLKR/PRT#9 mzrtk bvfx", 38),
    ("àâæçéèêëîïôœùûüÿñ¿¡ßøåÅØ", 27),
    ("∀x∈ℝ: ⌈x⌉ = −⌊−x⌋ ∧ ∑ᵢ αᵢ ≤ √2 ⇒ ∄ y ↦ ƒ(y)", 50),
    ("ＦＵＬＬ　ｗｉｄｔｈ　１２３", 23),
    ("𓀀𓁐𓂀", 12),
    (
        "X+zrZv/IbzjZUnhsbWlsecLbwjndTpG0ZynXOif7V+lrhrJz/zT84Z1rgE7/Wj9XR62k6qIvHUnAHlLdt4dbS9RzXjomXhbu4D9ZcYubXQMBnAfYtsUfkNo6Zm7sE6s1TgdAhWK+24tgzgXB3s/jrRa3IjCWfeAfZAt+Rym0n85LInd31N0fxhxviE9IZB0CtNEh0/0yjLCLVTH8rNq/iu8tEn3je5QrqtBhReVLDGGaHyIyey67z77Hj1Vkr+Od",
        186,
    ),
    (
        "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e96b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4bd4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab354e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8aef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d",
        220,
    ),
    (
        "5FECEB66FFC86F38D952786C6D696C79C2DBC239DD4E91B46729D73A27FB57E96B86B273FF34FCE19D6B804EFF5A3F5747ADA4EAA22F1D49C01E52DDB7875B4BD4735E3A265E16EEE03F59718B9B5D03019C07D8B6C51F90DA3A666EEC13AB354E07408562BEDB8B60CE05C1DECFE3AD16B72230967DE01F640B7E4729B49FCE4B227777D4DD1FC61C6F884F48641D02B4D121D3FD328CB08B5531FCACDABF8AEF2D127DE37B942BAAD06145E54B0C619A1F22327B2EBBCFBEC78F5564AFE39D",
        228,
    ),
    ("31415926535897932384626433832795028841971", 14),
    ("-0.123456, 0.98765, 1e-7, 3.14159265, -17.5", 29),
    ("3f2504e0-4f89-41d3-9a0c-0305e82c3301 6ba7b810-9dad-11d1-80b4-00c04fd430c8", 52),
    ("xqzvkjw mzrtk bvfxq wlkrp qwrtzp sdfghjk", 21),
    (
        "--------------------------------------------------------------------------------\n=============================================================================\n\n\n",
        5,
    ),
    ("{\n    \"a\": {\n        \"b\": [\n            1,\n            2\n        ]\n    }\n}\n", 24),
    ("https://github.com/org/assets/blob/main/Dojo%20Bolt%20Gen%20v05/icon_$1.png?raw=true#L10-L20", 34),
    ("getHTTPServerConfigForURLPath parseXMLDocumentV2 iOSBuildNumber", 15),
];

#[test]
fn no_text_has_more_tokens_than_are_told_or_fewer_than_the_least() {
    for (text, tokens) in COUNTED {
        let Bounds { most, least } = bounds(text, Digits::ByThree);
        assert!(most >= *tokens, "{most} told for {tokens}: {text}");
        assert!(least <= *tokens, "at least {least} told for {tokens}: {text}");
    }
}

#[test]
fn prose_is_not_told_to_have_more_than_twice_its_tokens() {
    for (text, tokens) in COUNTED.iter().take(4) {
        let most = bounds(text, Digits::ByThree).most;
        assert!(most < 2 * tokens, "{most} told for {tokens}: {text}");
    }
}

#[test]
fn nothing_has_no_tokens_and_digits_may_count_each() {
    assert_eq!(bounds("", Digits::Each), Bounds { most: 0, least: 0 });
    let of = |digits| bounds("20261120", digits).most;
    assert_eq!((of(Digits::ByThree), of(Digits::Each)), (3, 8));
}

proptest! {
    #[test]
    fn bounds_are_in_order_and_no_more_than_a_token_a_byte_and_a_little(text in ".{0,200}") {
        let Bounds { most, least } = bounds(&text, Digits::ByThree);
        prop_assert!(least <= most && most <= text.len() as u64 + 2, "{least} {most} of {} bytes", text.len());
    }

    #[test]
    fn what_is_longer_has_no_fewer_tokens(text in "[a-z ]{1,100}", more in "[a-z ]{1,100}") {
        let of = |text: &str| bounds(text, Digits::ByThree).most;
        let both = format!("{text} {more}");
        prop_assert!(of(&both) + 1 >= of(&text));
    }
}
