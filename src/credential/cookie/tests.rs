use super::*;

fn headers(cookies: &[&str]) -> Headers {
    cookies.iter().map(|value| (HEADER, *value)).collect()
}

fn cut_of(cookies: &[&str], keep: Option<&str>, alone: bool) -> Option<String> {
    let names = ["my_session".into(), "k".into()];
    without_cookies(&headers(cookies), &names, keep, alone).map(|rest| String::from_utf8_lossy(&rest).into_owned())
}

fn cut(cookies: &str) -> Option<String> {
    cut_of(&[cookies], None, false)
}

fn found(cookies: &[&str]) -> Result<Option<String>, CredentialError> {
    let request = Request { headers: cookies.iter().map(|value| (HEADER, *value)).chain([(":method", "GET")]).collect() };
    cookie(&request, "my_session", &Origins::These(vec![])).map(|found| found.map(|value| String::from_utf8_lossy(&value).into_owned()))
}

#[test]
fn one_cookie_of_exactly_that_name() {
    let value = |text: &str| Ok(Some(text.to_owned()));
    assert_eq!(found(&["my_session=x"]), value("x"));
    assert_eq!(found(&["a=1;  my_session = x=y\t;b=2"]), value("x=y"));
    assert_eq!(found(&["a=1", "my_session=x"]), value("x"));
    assert_eq!(found(&["my_session=\"x\""]), value("\"x\""));
    assert_eq!(found(&["my_session=%78"]), value("%78"));
    assert_eq!(found(&["my_session="]), value(""));
    assert_eq!(found(&["my_session"]), value(""));
    for other in [
        "",
        ";",
        "=",
        "=my_session",
        "My_Session=x",
        "my.session=x",
        "my_session[]=x",
        "a=my_session=x",
        "a=b,my_session=x",
        "my%5fsession=x",
    ] {
        assert_eq!(found(&[other]), Ok(None), "{other}");
    }
    for twice in [&["my_session=x; my_session=x"][..], &["my_session=x; a=1; my_session="], &["my_session=x", "my_session=y"]] {
        assert_eq!(found(twice), Err(CredentialError::Ambiguous), "{twice:?}");
    }
}

#[test]
fn it_is_cut_out_and_the_others_stay_byte_for_byte() {
    for (sent, left) in [
        ("my_session=x", ""),
        ("my_session=x;", ""),
        (" ;my_session=x; ; k=1", ""),
        ("my_session=x; a=1", "a=1"),
        ("a=1; my_session=x", "a=1"),
        ("a=1; my_session=x; b=\"2; 3\"; k=; c", "a=1; b=\"2; 3\"; c"),
        ("a=1;my_session=x;b=2", "a=1;b=2"),
        ("a=1;; my_session=x;b = 2 ;", "a=1;;b = 2 ;"),
        ("my_session=x; my_session=y; a=\u{e9}%20", "a=\u{e9}%20"),
    ] {
        assert_eq!(cut(sent).as_deref(), Some(left), "{sent}");
    }
    for untouched in [
        "",
        "a=1",
        "My_Session=x",
        "my_sessions=x",
        "xmy_session=1",
        "a=my_session",
        "consent=my_session,k",
        "a=\"my_session k\"",
        "kk=1; K=2",
    ] {
        assert_eq!(cut(untouched), None, "{untouched}");
    }
    assert_eq!(cut_of(&["a=1", "my_session=x", "b=2; k=3"], None, false).as_deref(), Some("a=1; b=2"));
    assert_eq!(cut_of(&["a=1", "b=2"], None, false), None);
    assert_eq!(without_cookies(&headers(&["a=1; my_session=x"]), &[], None, true), None);
}

#[test]
fn it_is_cut_out_in_every_spelling_that_some_server_takes_for_it() {
    for spelling in [
        "my.session=x",
        "my session=x",
        " my_session =x",
        "my_session[]=x",
        "my_session[a][b]=x",
        "my.session[=x",
        "my%5Fsession=x",
        "%6Dy_session=x",
        "my%2esession=x",
        "my+session=x",
        "my_session\u{b}=x",
        "\u{1}my_session\t=x",
        "my_session",
        "a=b,my_session=x",
        "a=b, my_session =x",
        "a=b my_session=x",
        "a=b\tmy_session=x,c=d",
        "a=\"b\" k=x",
        "a,k=x",
        "a=b my_session = x",
    ] {
        assert_eq!(cut(&format!("z=1; {spelling}; y=2")).as_deref(), Some("z=1; y=2"), "{spelling:?}");
    }
    let latin1 = [&b"z=1; \xa0my_session\x85=x"[..], b"\xa0k=1"].map(|value| (HEADER, value)).into_iter().collect();
    assert_eq!(without_cookies(&latin1, &["my_session".into(), "k".into()], None, false).as_deref(), Some(&b"z=1"[..]));
}

#[test]
fn the_verified_one_can_stay() {
    assert_eq!(cut_of(&["my_session=x; k=2; a=1"], Some("my_session"), false).as_deref(), Some("my_session=x; a=1"));
    assert_eq!(cut_of(&["my_session=x; my.session=y; my_session[]=z"], Some("my_session"), false).as_deref(), Some("my_session=x"));
    assert_eq!(cut_of(&["my_session=x; a=1"], Some("my_session"), false), None);
    assert_eq!(cut_of(&["a=1; my_session=x; b=2"], Some("my_session"), true).as_deref(), Some("my_session=x"));
    assert_eq!(cut_of(&["my_session=x"], Some("my_session"), true), None);
}

#[test]
fn unsafe_methods_and_upgrades_come_from_an_origin() {
    let origins = Origins::These(vec!["https://app.example".into(), "http://localhost:3000".into()]);
    let judged = |fields: &[(&str, &str)]| {
        let request = Request { headers: fields.iter().copied().chain([(HEADER, "s=x")]).collect() };
        cookie(&request, "s", &origins).map(|found| found.is_some())
    };
    for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
        assert_eq!(judged(&[(":method", method)]), Ok(true), "{method}");
        assert_eq!(judged(&[(":method", method), ("origin", "https://evil.example")]), Ok(true), "{method}");
        for upgrade in [("upgrade", "websocket"), ("upgrade", "h2c"), ("upgrade", ""), (":protocol", "websocket")] {
            assert_eq!(judged(&[(":method", method), upgrade]), Err(CredentialError::Origin), "{method} {upgrade:?}");
            assert_eq!(judged(&[(":method", method), upgrade, ("origin", "https://app.example")]), Ok(true), "{method} {upgrade:?}");
        }
    }
    for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "PROPFIND", "QUERY", "get", ""] {
        for good in ["https://app.example", "http://localhost:3000"] {
            assert_eq!(judged(&[(":method", method), ("origin", good)]), Ok(true), "{method} {good}");
        }
        for bad in [
            "",
            "null",
            "https://evil.example",
            "https://app.example/",
            "https://app.example:443",
            "http://app.example",
            "HTTPS://app.example",
            "https://app.example.evil.example",
            "https://app.example https://evil.example",
            "https://app.example,https://evil.example",
            "app.example",
            " https://app.example",
        ] {
            assert_eq!(judged(&[(":method", method), ("origin", bad)]), Err(CredentialError::Origin), "{method} {bad}");
        }
        assert_eq!(judged(&[(":method", method)]), Err(CredentialError::Origin), "{method}");
        let same = ("origin", "https://app.example");
        assert_eq!(judged(&[(":method", method), same, same]), Err(CredentialError::Origin), "{method}, twice");
    }
    let request = Request { headers: [(":method", "POST"), (HEADER, "s=x")].into_iter().collect() };
    assert!(cookie(&request, "s", &Origins::Any).unwrap().is_some());
}

/// What no more than one look at each byte can read: a header of nothing but separators and equals signs costs little.
#[test]
fn its_cost_grows_with_the_length_alone() {
    for hostile in ["=", "a=", " =", "k ", "+", ";", ",=", "%20", "k k=;"] {
        let header = format!("a{}", hostile.repeat(60_000 / hostile.len()));
        let begin = std::time::Instant::now();
        let _ = cut(&header);
        assert!(begin.elapsed() < std::time::Duration::from_secs(1), "{hostile:?}: {:?}", begin.elapsed());
    }
}

/// The pairs that servers find, each in its way.
fn readings(header: &str) -> Vec<String> {
    let tight = header.split('=').map(str::trim).collect::<Vec<_>>().join("=");
    let mut names = Vec::new();
    for (text, separators) in [(header, &[';'][..]), (header, &[';', ',']), (tight.as_str(), &[';', ',', ' ', '\t'])] {
        let pairs = text.split(separators).filter_map(|pair| pair.split_once('='));
        names.extend(pairs.map(|(name, _)| name.trim().to_owned()));
    }
    names.extend(header.split(';').filter(|piece| !piece.contains('=')).map(|piece| piece.trim().to_owned()));
    let decoded: Vec<String> =
        names.iter().map(|name| percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned()).collect();
    let by_php = decoded.iter().map(|name| name.trim_start().split('[').next().unwrap_or_default().replace(['.', ' '], "_"));
    names.iter().cloned().chain(by_php).chain(decoded.iter().cloned()).collect()
}

proptest::proptest! {
    #[test]
    fn no_server_finds_what_was_cut_out(header in "(k|my_session|my|session|a|[.;, =\t\\[%\"_]|%6b|%2e|; |=x){0,24}") {
        let left = cut(&header).unwrap_or(header.clone());
        let found = readings(&left).into_iter().find(|name| name == "k" || name == "my_session");
        proptest::prop_assert!(found.is_none(), "{header:?} became {left:?}, which has {found:?}");
        proptest::prop_assert_eq!(cut(&left), None, "{}", header);
    }
}
