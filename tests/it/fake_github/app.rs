//! A GitHub App: who signs with its key gets tokens for what it is installed on.

#![allow(dead_code, reason = "not every test asks for all of it")]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, SecondsFormat};
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};

use super::answers::Answer;
use super::contract::Contract;
use super::grants::Permissions;
use super::{FakeGitHub, Grant, World};

/// A private key such as GitHub gives for an App (PKCS#1, PEM); it opens nothing anywhere.
pub const APP_KEY: &str = include_str!("../../fixtures/github/app-key.pem");

/// An App with its one installation.
pub struct App {
    id: u64,
    public_key: Vec<u8>,
    /// The repositories that it is installed on.
    repos: Vec<String>,
    permissions: BTreeMap<String, String>,
    minted: u64,
}

impl FakeGitHub {
    /// Makes an App known that signs with [`APP_KEY`] and is installed, once, on these repositories with these permissions.
    /// The installation's id is the App's and 1,000 more.
    pub fn add_app(&self, id: u64, repos: &[&str], permissions: &[(&str, &str)]) -> &Self {
        let der: String = APP_KEY.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(der).expect("the key is base64");
        let pair = RsaKeyPair::from_der(&der).expect("the key is one");
        let owned = |(name, level): &(&str, &str)| ((*name).to_owned(), (*level).to_owned());
        let app = App {
            id,
            public_key: pair.public_key().as_ref().to_vec(),
            repos: repos.iter().map(|slug| (*slug).to_owned()).collect(),
            permissions: permissions.iter().map(owned).collect(),
            minted: 0,
        };
        self.world().apps.push(app);
        self
    }

    /// Ends the life of every token that was made for an App, as an hour does.
    pub fn expire_app_tokens(&self) -> &Self {
        self.world().grants.retain(|token, _| !token.starts_with("ghs_app_"));
        self
    }
}

/// Answers what only an App may ask; none for anything else.
pub fn answer(world: &mut World, template: &str, path: &str, authorization: &str, body: &[u8]) -> Option<Answer> {
    let wants_token = template == "/app/installations/{installation_id}/access_tokens";
    if !wants_token && template != "/repos/{owner}/{repo}/installation" {
        return None;
    }
    let now = world.seconds();
    let jwt = authorization.strip_prefix("Bearer ").unwrap_or_default();
    let app = match verified(&mut world.apps, jwt, now) {
        Ok(app) => app,
        Err(why) => return Some(Answer::error(401, why)),
    };
    let parts: Vec<_> = path.split('/').collect();
    if !wants_token {
        let slug = parts.get(2..4)?.join("/");
        return Some(match app.repos.contains(&slug) {
            true => Answer::json(200, &app.installation()),
            false => Answer::error(404, "Not Found"),
        });
    }
    if parts.get(3) != Some(&app.installation_id().to_string().as_str()) {
        return Some(Answer::error(404, "Not Found"));
    }
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    Some(match app.mint(&asked, now) {
        Ok((token, repos, permissions, answer)) => {
            let grants = repos.into_iter().map(|slug| (slug, Grant::App(permissions))).collect();
            world.grants.insert(token, grants);
            answer
        }
        Err(why) => Answer::error(422, &why),
    })
}

type Minted = (String, Vec<String>, Permissions, Answer);

impl App {
    fn installation_id(&self) -> u64 {
        self.id + 1_000
    }

    fn installation(&self) -> Value {
        let mut body = Contract::get().example("installation");
        body["id"] = json!(self.installation_id());
        body["app_id"] = json!(self.id);
        body["permissions"] = json!(self.permissions);
        body["repository_selection"] = json!("selected");
        body
    }

    /// A token for what was asked, if the App has that.
    fn mint(&mut self, asked: &Value, now: i64) -> Result<Minted, String> {
        let repos = match asked["repositories"].as_array() {
            None => self.repos.clone(),
            Some(names) => {
                let of_name = |name: &Value| {
                    let name = name.as_str().unwrap_or_default();
                    let of_app = self.repos.iter().find(|slug| slug.ends_with(&format!("/{name}")));
                    of_app.cloned().ok_or_else(|| {
                        "There is at least one repository that does not exist or is not accessible to the parent \
                         installation."
                            .to_owned()
                    })
                };
                names.iter().map(of_name).collect::<Result<Vec<_>, _>>()?
            }
        };
        let permissions: BTreeMap<String, String> = match asked["permissions"].as_object() {
            None => self.permissions.clone(),
            Some(_) => serde_json::from_value(asked["permissions"].clone()).map_err(|error| error.to_string())?,
        };
        for (name, level) in &permissions {
            let held = self.permissions.get(name).map_or("", String::as_str);
            if name != "metadata" && held != "write" && held != level {
                return Err("The permissions requested are not granted to this installation.".to_owned());
            }
        }
        self.minted += 1;
        // Longer than forty characters, and with dots, as GitHub's are by now.
        let token =
            format!("ghs_app_{}_{}.{}.{}", self.id, self.minted, "eyJhbGciOiJSUzI1NiJ9", "c2lnbmF0dXJl".repeat(30));
        let expires = DateTime::from_timestamp(now + 3_600, 0).expect("a date");
        let mut body = Contract::get().example("installation-token");
        body["token"] = json!(token);
        body["expires_at"] = json!(expires.to_rfc3339_opts(SecondsFormat::Secs, true));
        body["permissions"] = json!(permissions);
        body.as_object_mut().expect("an object").remove("repositories");
        let list: Vec<(&str, &str)> = permissions.iter().map(|(name, level)| (&**name, &**level)).collect();
        Ok((token, repos, Permissions::of(&list), Answer::json(201, &body)))
    }
}

/// The App that has signed the token, if GitHub took it.
fn verified<'a>(apps: &'a mut [App], jwt: &str, now: i64) -> Result<&'a mut App, &'static str> {
    let undecodable = "A JSON web token could not be decoded";
    let mut parts = jwt.rsplitn(2, '.');
    let (signature, signed) = (parts.next().unwrap_or_default(), parts.next().ok_or(undecodable)?);
    let (header, claims) = signed.split_once('.').ok_or(undecodable)?;
    let json = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let (header, claims) = (json(header).ok_or(undecodable)?, json(claims).ok_or(undecodable)?);
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| undecodable)?;
    if header["alg"] != "RS256" {
        return Err(undecodable);
    }
    let issuer = claims["iss"].as_str().map_or_else(|| claims["iss"].to_string(), str::to_owned);
    let app = apps.iter_mut().find(|app| app.id.to_string() == issuer).ok_or("Integration not found")?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &app.public_key);
    key.verify(signed.as_bytes(), &signature).map_err(|_| undecodable)?;
    let (Some(issued), Some(expires)) = (claims["iat"].as_i64(), claims["exp"].as_i64()) else {
        return Err("Missing 'exp' or 'iat' claim in assertion");
    };
    if issued > now {
        return Err("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued");
    }
    if expires <= now {
        return Err(
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the \
                    assertion expires",
        );
    }
    if expires - now > 600 {
        return Err("'Expiration time' claim ('exp') is too far in the future");
    }
    Ok(app)
}

#[test]
fn only_a_fresh_token_that_the_key_has_signed_is_one() {
    let github = FakeGitHub::start();
    github.add_app(7, &["org/website"], &[("contents", "write")]);
    let mut world = github.world();
    let mut tried = |claims: &Value, edit: &str| {
        let jwt = signed(claims) + edit;
        verified(&mut world.apps, &jwt, 1_000).map(|app| app.id)
    };
    assert_eq!(tried(&json!({"iss": "7", "iat": 940, "exp": 1_540}), ""), Ok(7));
    assert_eq!(tried(&json!({"iss": 7, "iat": 940, "exp": 1_540}), ""), Ok(7));
    assert!(tried(&json!({"iss": 8, "iat": 940, "exp": 1_540}), "").is_err());
    assert!(tried(&json!({"iss": 7, "iat": 1_001, "exp": 1_540}), "").is_err());
    assert!(tried(&json!({"iss": 7, "iat": 940, "exp": 1_601}), "").is_err());
    assert!(tried(&json!({"iss": 7, "iat": 940, "exp": 1_000}), "").is_err());
    assert!(tried(&json!({"iss": 7, "iat": 940, "exp": 1_540}), "AAAA").is_err());
}

#[cfg(test)]
fn signed(claims: &Value) -> String {
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encoded(&json!({"alg": "RS256", "typ": "JWT"})), encoded(claims));
    let der: String = APP_KEY.lines().filter(|line| !line.starts_with("-----")).collect();
    let pair = RsaKeyPair::from_der(&STANDARD.decode(der).unwrap()).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    let random = ring::rand::SystemRandom::new();
    pair.sign(&ring::signature::RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn a_token_of_an_app_may_do_what_was_asked_for_it_and_no_more() {
    let github = FakeGitHub::start();
    github.add_repo("org/website", true).add_repo("org/other", true);
    github.add_app(7, &["org/website", "org/other"], &[("contents", "write"), ("actions", "read")]);
    let ask = async |method: reqwest::Method, path: &str, token: &str, body: Value| {
        let request = stockroom::adapters::http::client()
            .unwrap()
            .request(method, format!("{}{path}", github.url()))
            .bearer_auth(token);
        let request = request.header("user-agent", "test");
        let request = if body.is_null() { request } else { request.body(body.to_string()) };
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap_or_default())
    };
    let (get, post) = (reqwest::Method::GET, reqwest::Method::POST);
    let now = github.world().seconds();
    let jwt = signed(&json!({"iss": "7", "iat": now - 60, "exp": now + 540}));
    let (status, installation) = ask(get.clone(), "/repos/org/website/installation", &jwt, Value::Null).await;
    assert_eq!((status, &installation["id"]), (200, &json!(1_007)));
    let path = "/app/installations/1007/access_tokens";
    let wanted = json!({"repositories": ["website"], "permissions": {"contents": "write"}});
    let (status, made) = ask(post.clone(), path, &jwt, wanted).await;
    assert_eq!(status, 201);
    let token = made["token"].as_str().unwrap();
    let event = json!({"event_type": "x"});
    assert_eq!(ask(post.clone(), "/repos/org/website/dispatches", token, event.clone()).await.0, 204);
    assert_eq!(ask(post.clone(), "/repos/org/other/dispatches", token, event.clone()).await.0, 404);
    assert_eq!(ask(get, "/repos/org/website/actions/runs", token, Value::Null).await.0, 403);
    let more = json!({"permissions": {"actions": "write"}});
    assert_eq!(ask(post.clone(), path, &jwt, more).await.0, 422);
    assert_eq!(ask(post.clone(), path, "no.json.token", json!({})).await.0, 401);
    github.expire_app_tokens();
    assert_eq!(ask(post, "/repos/org/website/dispatches", token, event).await.0, 401);
}
