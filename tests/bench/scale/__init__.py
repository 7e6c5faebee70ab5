"""Do rights stay cheap when there are many of them? Databases of growing size, the same requests on each."""
