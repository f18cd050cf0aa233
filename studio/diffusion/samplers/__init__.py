"""Samplers as coroutines; `registry.SAMPLERS` names them all."""
