"""DefiLlama's HTTP API: prices, protocol and chain TVL, stablecoin pegs and yields."""
