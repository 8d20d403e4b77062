"""Sites, pools of power and liquid cooling, and the lanes between them."""
