"""Where this installation may connect to on a customer's word. Plain Python: no Django."""
