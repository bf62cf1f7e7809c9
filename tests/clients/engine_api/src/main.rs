//! Calls the Engine API by alloy, which makes the tokens by itself: `engine-api-client URL JWT_HEX [SECONDS]`.
//!
//! An http URL: a request, and after so many seconds another one. A ws URL: a handshake, and then frames over the same
//! connection, before those seconds and after. Prints the capabilities that came first, as JSON.

use alloy_rpc_client::{ClientBuilder, RpcClient};
use alloy_rpc_types_engine::{Claims, JwtSecret};
use alloy_transport::Authorization;
use alloy_transport_http::{AuthLayer, Http, HyperClient};
use alloy_transport_ws::WsConnect;
use std::error::Error;
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: engine-api-client URL JWT_HEX [SECONDS]".into());
    };
    let seconds = arguments.next().map_or(Ok(0), |seconds| seconds.parse())?;
    let client = connect(&url, JwtSecret::from_file(file.as_ref())?).await?;
    let first = capabilities(&client).await?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let second = capabilities(&client).await?;
    println!("[{}]", first.join(", "));
    if first == second { Ok(()) } else { Err(format!("and then {second:?}").into()) }
}

async fn connect(url: &str, secret: JwtSecret) -> Result<RpcClient, Box<dyn Error>> {
    if url.starts_with("ws") {
        let token = secret.encode(&Claims::with_current_timestamp())?;
        let connect = WsConnect::new(url).with_auth(Authorization::bearer(token)).with_max_retries(0);
        return Ok(ClientBuilder::default().ws(connect).await?);
    }
    let client = HyperClient::new().layer(AuthLayer::new(secret));
    Ok(RpcClient::new(Http::with_client(client, url.parse()?), true))
}

async fn capabilities(client: &RpcClient) -> Result<Vec<String>, Box<dyn Error>> {
    Ok(client.request("engine_exchangeCapabilities", (["engine_newPayloadV4"],)).await?)
}
