"""The face: gradio only. It knows the contract, never the engine behind it, and never torch."""
