"""Settings, from the environment, a .env file or TOML, and the connections that they describe."""
